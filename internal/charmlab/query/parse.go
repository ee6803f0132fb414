package query

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// arity is the functions that take plain arguments.
var arity = map[string]int{"len": 1, "print": 1, "startsWith": 2, "endsWith": 2, "contains": 2}

// precedence of the binary operators; higher binds closer.
var precedence = map[string]int{
	"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4,
}

// Parse reads a query. Its error names the position of the fault.
func Parse(text string) (*Query, error) {
	p := &parser{}
	if err := p.scan(text); err != nil {
		return nil, fmt.Errorf("cannot parse query %q: %v", text, err)
	}
	root, err := p.expression(0)
	if err == nil && p.peek().kind != end {
		err = p.unexpected("an operator")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot parse query %q: %v", text, err)
	}
	return &Query{root: root, text: text}, nil
}

type tokenKind int

const (
	end tokenKind = iota
	identifier
	number
	text
	symbol
)

type token struct {
	kind     tokenKind
	text     string
	position int // counted from 1
}

type parser struct {
	tokens []token
	next   int
}

func (p *parser) scan(s string) error {
	for i := 0; i < len(s); {
		c := s[i]
		start := i
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '"' || c == '\'':
			var b strings.Builder
			for i++; ; i++ {
				if i >= len(s) {
					return fmt.Errorf("string at position %d has no end", start+1)
				}
				if s[i] == c {
					i++
					break
				}
				if s[i] == '\\' && i+1 < len(s) {
					i++
				}
				b.WriteByte(s[i])
			}
			p.tokens = append(p.tokens, token{text, b.String(), start + 1})
		case unicode.IsLetter(rune(c)) || c == '_':
			// A hyphen belongs to a name: workload-status is one word.
			for i < len(s) && (unicode.IsLetter(rune(s[i])) || unicode.IsDigit(rune(s[i])) || s[i] == '_' || s[i] == '-') {
				i++
			}
			p.tokens = append(p.tokens, token{identifier, s[start:i], start + 1})
		case unicode.IsDigit(rune(c)) || c == '-' && i+1 < len(s) && unicode.IsDigit(rune(s[i+1])):
			for i++; i < len(s) && unicode.IsDigit(rune(s[i])); i++ {
			}
			p.tokens = append(p.tokens, token{number, s[start:i], start + 1})
		default:
			two := s[i:min(i+2, len(s))]
			switch two {
			case "==", "!=", "<=", ">=", "&&", "||", "=>":
				p.tokens = append(p.tokens, token{symbol, two, start + 1})
				i += 2
				continue
			}
			if !strings.ContainsRune("<>!().,", rune(c)) {
				return fmt.Errorf("unexpected %q at position %d", string(c), start+1)
			}
			p.tokens = append(p.tokens, token{symbol, string(c), start + 1})
			i++
		}
	}
	p.tokens = append(p.tokens, token{end, "", len(s) + 1})
	return nil
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != end {
		p.next++
	}
	return t
}

func (p *parser) accept(sym string) bool {
	if t := p.peek(); t.kind == symbol && t.text == sym {
		p.next++
		return true
	}
	return false
}

func (p *parser) expect(sym string) error {
	if !p.accept(sym) {
		return p.unexpected(strconv.Quote(sym))
	}
	return nil
}

func (p *parser) unexpected(want string) error {
	t := p.peek()
	if t.kind == end {
		return fmt.Errorf("it ends where %s should come", want)
	}
	return fmt.Errorf("%q at position %d where %s should come", t.text, t.position, want)
}

func (p *parser) expression(floor int) (node, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		level := precedence[t.text]
		if t.kind != symbol || level == 0 || level <= floor {
			return left, nil
		}
		p.take()
		right, err := p.expression(level)
		if err != nil {
			return nil, err
		}
		left = binary{t.text, left, right}
	}
}

func (p *parser) operand() (node, error) {
	if p.accept("!") {
		inner, err := p.operand()
		return not{inner}, err
	}
	if p.accept("(") {
		inner, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	t := p.peek()
	switch t.kind {
	case text:
		p.take()
		return literal{t.text}, nil
	case number:
		p.take()
		v, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("number %s at position %d is too large", t.text, t.position)
		}
		return literal{v}, nil
	case identifier:
		p.take()
		switch t.text {
		case "true", "false":
			return literal{t.text == "true"}, nil
		}
		if p.accept("(") {
			return p.call(t)
		}
		n := name{parts: []string{t.text}}
		for p.accept(".") {
			if p.peek().kind != identifier {
				return nil, p.unexpected("a name")
			}
			n.parts = append(n.parts, p.take().text)
		}
		return n, nil
	}
	return nil, p.unexpected("a name or a value")
}

func (p *parser) call(function token) (node, error) {
	if function.text == "forEach" {
		list, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
		variable := p.peek()
		if variable.kind != identifier {
			return nil, p.unexpected("a name")
		}
		p.take()
		if err := p.expect("=>"); err != nil {
			return nil, err
		}
		body, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		return forEach{list, variable.text, body}, p.expect(")")
	}
	want, known := arity[function.text]
	if !known {
		return nil, fmt.Errorf("unknown function %q at position %d; there are contains, endsWith, forEach, len, print, startsWith", function.text, function.position)
	}
	c := call{function: function.text}
	for {
		arg, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, arg)
		if !p.accept(",") {
			break
		}
	}
	if len(c.args) != want {
		return nil, fmt.Errorf("%s at position %d wants %d arguments, not %d", function.text, function.position, want, len(c.args))
	}
	return c, p.expect(")")
}
