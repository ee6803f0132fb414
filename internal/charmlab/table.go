package charmlab

import (
	"io"
	"strings"
	"unicode/utf8"
)

// table is text in columns, two blanks apart, without trailing blanks.
type table struct {
	columns []column
	rows    [][]string
}

type column struct {
	title string
	right bool
}

func (t *table) add(cells ...string) {
	for i, cell := range cells {
		// A message of several lines must not tear the table.
		cells[i] = strings.Join(strings.FieldsFunc(cell, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }), " ")
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(w io.Writer) error {
	titles := make([]string, len(t.columns))
	for i, c := range t.columns {
		titles[i] = c.title
	}
	lines := append([][]string{titles}, t.rows...)
	widths := make([]int, len(t.columns))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	for _, line := range lines {
		var row strings.Builder
		for i, cell := range line {
			if i > 0 {
				row.WriteString("  ")
			}
			blanks := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.columns[i].right {
				row.WriteString(blanks + cell)
			} else {
				row.WriteString(cell + blanks)
			}
		}
		text.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}
