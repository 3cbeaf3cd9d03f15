package query

// Dialect is a variant of the where language.
type Dialect int

// The dialects.
const (
	// Sift compares loosely, as Fliplet's fork of sift.js does. It is the default, and the
	// only dialect of the REST interface.
	Sift Dialect = iota
	// Strict compares strictly, as sift 17 does.
	Strict
)

// Option changes how Compile reads a where.
type Option func(*settings)

type settings struct {
	dialect   Dialect
	data      bool // the where is on a data source
	countable bool
	limits    Limits
	session   func(path string) (value any, ok bool) // nil: the where has no session values
}

// WithDialect chooses the dialect.
func WithDialect(d Dialect) Option { return func(s *settings) { s.dialect = d } }

// ForDataSource adds what a where on a data source may do: keys address entry fields and
// `data.`, a column's whole name wins over splitting it at dots, $filters is an operator, and
// in the Sift dialect $like takes `%` and an array operand also equals an equal array. The
// where must be an object. Bind the Matcher to the columns of the data source before use; an
// unbound one takes every name for a path.
func ForDataSource() Option { return func(s *settings) { s.data = true } }

// Countable refuses what a strict count does not support: an operator outside its list is an
// error that names it.
func Countable() Option { return func(s *settings) { s.countable = true } }

// WithLimits bounds the where, for callers that are not trusted.
func WithLimits(l Limits) Option { return func(s *settings) { s.limits = l } }
