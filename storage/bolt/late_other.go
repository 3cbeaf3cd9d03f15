//go:build !unix || solaris || aix || android

package bolt

import (
	"errors"
	"os"
)

// duplicate is needed where lockTwice is set alone.
func duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

// tryMap is needed where lockTwice is set alone.
func tryMap(*os.File, int) error { return errors.ErrUnsupported }

// unlock is needed where lockTwice is set alone.
func unlock(*os.File) error { return errors.ErrUnsupported }
