package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	_ "modernc.org/sqlite"
)

// sqliteStore is SQLite in pure Go as somebody would use it for documents: a column of JSON
// text, indexes over expressions, one writer and a pool of readers.
type sqliteStore struct {
	path      string
	wr, rd    *sql.DB
	one, isbn *sql.Stmt
	put, mark *sql.Stmt
}

var pragmas = []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-65536)", "mmap_size(1073741824)", "temp_store(MEMORY)"}

func (s *sqliteStore) about() string {
	return "modernc.org/sqlite: JSON text, WAL, synchronous=FULL, 64 MiB cache, mmap, expression indexes, documents by encoding/json"
}

func (s *sqliteStore) open(dir string) (err error) {
	s.path = filepath.Join(dir, "data.sqlite")
	dsn := "file:" + s.path + "?" + url.Values{"_txlock": {"immediate"}, "_pragma": pragmas}.Encode()
	if s.wr, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.wr.SetMaxOpenConns(1)
	for _, table := range []string{"books", "loans"} {
		if _, err := s.wr.Exec("CREATE TABLE IF NOT EXISTS " + table + " (id INTEGER PRIMARY KEY, data TEXT NOT NULL)"); err != nil {
			return err
		}
	}
	if s.rd, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.rd.SetMaxOpenConns(2 * runtime.NumCPU())
	s.rd.SetMaxIdleConns(2 * runtime.NumCPU())
	for _, p := range []struct {
		db   *sql.DB
		to   **sql.Stmt
		text string
	}{
		{s.rd, &s.one, "SELECT data FROM books WHERE id = ?"},
		{s.rd, &s.isbn, "SELECT data FROM books WHERE data->>'$.ISBN' = ?"},
		{s.wr, &s.put, "INSERT INTO books (id, data) VALUES (?, ?)"},
		{s.wr, &s.mark, "UPDATE books SET data = json_set(data, '$.State', ?) WHERE id = ?"},
	} {
		if *p.to, err = p.db.Prepare(p.text); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqliteStore) close() error {
	for _, st := range []*sql.Stmt{s.one, s.isbn, s.put, s.mark} {
		st.Close()
	}
	return errors.Join(s.rd.Close(), s.wr.Close())
}

// size folds the write-ahead log in first.
func (s *sqliteStore) size() (int64, error) {
	if _, err := s.wr.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return 0, err
	}
	return fileSize(s.path)
}

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (s *sqliteStore) load(rows iter.Seq2[row, error]) error      { return s.fill("books", rows) }
func (s *sqliteStore) loadLoans(rows iter.Seq2[row, error]) error { return s.fill("loans", rows) }

func (s *sqliteStore) fill(table string, rows iter.Seq2[row, error]) error {
	tx, err := s.wr.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	put, err := tx.Prepare("INSERT INTO " + table + " (id, data) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer put.Close()
	for r, err := range rows {
		if err != nil {
			return err
		}
		if _, err := put.Exec(r.id, string(r.json)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (s *sqliteStore) index() error {
	for _, text := range []string{
		"CREATE UNIQUE INDEX book_isbn ON books (data->>'$.ISBN')",
		"CREATE INDEX book_title ON books (data->>'$.Title')",
		"CREATE INDEX book_year_price ON books (data->>'$.Year', data->>'$.Price')",
		"CREATE INDEX loan_state ON loans (data->>'$.State')",
		"ANALYZE",
	} {
		if _, err := s.wr.Exec(text); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqliteStore) number(text string, args ...any) (n int, err error) {
	err = s.rd.QueryRow(text, args...).Scan(&n)
	return n, err
}

// each calls fn with the rows of a query.
func (s *sqliteStore) each(fn func(*sql.Rows) error, text string, args ...any) error {
	rows, err := s.rd.Query(text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *sqliteStore) list(text string, args ...any) (list []doc, err error) {
	err = s.each(func(rows *sql.Rows) error {
		var text sql.RawBytes
		if err := rows.Scan(&text); err != nil {
			return err
		}
		d, err := decode(text)
		list = append(list, d)
		return err
	}, text, args...)
	return list, err
}

func decode(text []byte) (d doc, err error) {
	err = json.Unmarshal(text, &d)
	return d, err
}

func (s *sqliteStore) count(genre string, year int) (int, error) {
	return s.number("SELECT count(*) FROM books WHERE data->>'$.Genre' = ? AND data->>'$.Year' >= ?", genre, year)
}

func (s *sqliteStore) find(genre string, year int) ([]doc, error) {
	return s.list("SELECT data FROM books WHERE data->>'$.Genre' = ? AND data->>'$.Year' >= ?", genre, year)
}

func (s *sqliteStore) contains(word string) (int, error) {
	return s.number("SELECT count(*) FROM books WHERE data->>'$.Blurb' LIKE '%' || ? || '%'", word)
}

func (s *sqliteStore) groups() (list []group, err error) {
	err = s.each(func(rows *sql.Rows) error {
		var g group
		err := rows.Scan(&g.genre, &g.count, &g.price, &g.year)
		list = append(list, g)
		return err
	}, "SELECT data->>'$.Genre' g, count(*) n, avg(data->>'$.Price'), max(data->>'$.Year') FROM books GROUP BY g ORDER BY n DESC")
	return list, err
}

func (s *sqliteStore) unique() (list []string, err error) {
	err = s.each(func(rows *sql.Rows) error {
		var branch string
		err := rows.Scan(&branch)
		list = append(list, branch)
		return err
	}, "SELECT DISTINCT data->>'$.Branch' FROM books")
	return list, err
}

// page and dearest find the ids first, and read only those documents.
func (s *sqliteStore) page(offset, limit int) ([]doc, error) {
	return s.list(`SELECT b.data FROM (SELECT id, data->>'$.Title' t FROM books ORDER BY t LIMIT ? OFFSET ?) p
		JOIN books b ON b.id = p.id ORDER BY p.t`, limit, offset)
}

func (s *sqliteStore) dearest(lo, hi, limit int) ([]doc, error) {
	return s.list(`SELECT b.data FROM (SELECT id, data->>'$.Price' p FROM books WHERE data->>'$.Year' BETWEEN ? AND ? ORDER BY p DESC LIMIT ?) t
		JOIN books b ON b.id = t.id ORDER BY t.p DESC`, lo, hi, limit)
}

func (s *sqliteStore) get(id int64) (doc, error) { return single(s.one, id) }

func (s *sqliteStore) lookUp(isbn string) (doc, error) { return single(s.isbn, isbn) }

func single(st *sql.Stmt, arg any) (doc, error) {
	var text []byte
	if err := st.QueryRow(arg).Scan(&text); err != nil {
		return nil, err
	}
	return decode(text)
}

func (s *sqliteStore) raw(id int64) (bool, error) {
	var text []byte
	err := s.one.QueryRow(id).Scan(&text)
	return len(text) > 0, err
}

func (s *sqliteStore) join(state string, each func(loan, book doc)) error {
	return s.each(func(rows *sql.Rows) error {
		var a, b sql.RawBytes
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		loan, err := decode(a)
		if err != nil {
			return err
		}
		book, err := decode(b)
		if err == nil {
			each(loan, book)
		}
		return err
	}, "SELECT l.data, b.data FROM loans l JOIN books b ON b.data->>'$.ISBN' = l.data->>'$.ISBN' WHERE l.data->>'$.State' = ?", state)
}

func (s *sqliteStore) update(branch string, lo, hi int, state string) (int, error) {
	result, err := s.wr.Exec("UPDATE books SET data = json_set(data, '$.State', ?) WHERE data->>'$.Branch' = ? AND data->>'$.Year' BETWEEN ? AND ?", state, branch, lo, hi)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

func (s *sqliteStore) insert(r row) error {
	_, err := s.put.Exec(r.id, string(r.json))
	return err
}

func (s *sqliteStore) set(id int64, state string) error {
	_, err := s.mark.Exec(state, id)
	return err
}
