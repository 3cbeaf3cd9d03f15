package query

import "github.com/siftdb/siftdb/internal/errs"

// Error is what Compile and the Parse functions return, with a code for programs
// ("invalid_query"), a sentence for people, and in Path the place of the fault. Reach it with
// errors.As.
type Error = errs.Error
