package query_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/charmlab/query"
)

func scope() query.Scope {
	return query.Scope{
		"name": "pulsar", "life": "alive", "status": "active", "scale": 3,
		"units": query.Scope{
			"pulsar/0": query.Scope{"workload-status": "active"},
			"pulsar/1": query.Scope{"workload-status": "waiting"},
		},
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`status=="active"`:                                        true,
		`status == 'active' && life=="alive"`:                     true,
		`status=="blocked" || life=="alive"`:                      true,
		`status=="blocked" || life=="alive" && name=="x"`:         false,
		`(status=="blocked" || life=="alive") && name=="pulsar"`:  true,
		`!(status=="active")`:                                     false,
		`status!="active"`:                                        false,
		`scale>=3 && scale<4 && !(scale>3) && scale<=3`:           true,
		`len(units)==2`:                                           true,
		`len(name)==6`:                                            true,
		`forEach(units, unit => unit.workload-status=="active")`:  false,
		`forEach(units, u => startsWith(u.workload-status, "")) `: true,
		`startsWith(name,"pul") && endsWith(name,"sar")`:          true,
		`contains(name, "lsa")`:                                   true,
		`forEach(units, u => u.workload-status!="error") && true`: true,
		`scale > -1`:           true,
		`name < "q"`:           true,
		`status=="\"active\""`: false,
	} {
		q, err := query.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := q.Eval(scope(), nil)
		if err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	q, err := query.Parse(`print(name) && status=="active"`)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if ok, err := q.Eval(scope(), &out); !ok || err != nil || out.String() != "pulsar\n" {
		t.Errorf("got %v, %v, printed %q", ok, err, out.String())
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                            "it ends where a name or a value should come",
		`status=`:                     `unexpected "=" at position 7`,
		`status==`:                    "it ends where",
		`status=="active`:             "string at position 9 has no end",
		`status "active"`:             `"active" at position 8 where an operator`,
		`count(units)`:                `unknown function "count"`,
		`len(units, name)`:            "wants 1 arguments, not 2",
		`(status=="active"`:           `it ends where ")" should come`,
		`forEach(units, unit.x)`:      `where "=>" should come`,
		`units. == 3`:                 "where a name should come",
		`scale==99999999999999999999`: "too large",
	} {
		if _, err := query.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		`state=="active"`:          `unknown name "state"; there are life, name, scale, status, units`,
		`scale=="3"`:               "cannot compare a number with a string",
		`units=="x"`:               "cannot compare a collection",
		`name.x=="y"`:              `"name" has no fields`,
		`units < 3`:                "cannot order a collection",
		`len(scale)==1`:            "len wants",
		`forEach(name, x => true)`: "forEach wants a collection",
		`startsWith(scale, "x")`:   "wants two strings",
	} {
		q, err := query.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := q.Eval(scope(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}
