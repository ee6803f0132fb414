package broker

import (
	"fmt"
	"strconv"
	"strings"
)

// Quorum is how a ledger is spread over bookies.
type Quorum struct {
	Ensemble int // bookies that a ledger is spread over
	Write    int // copies of each entry
	Ack      int // copies that must be there before it is acknowledged
}

// QuorumFor chooses by the number of bookies. From three on, one of them may
// be away: with as many bookies as Ensemble no new ledger can be made while
// one restarts.
func QuorumFor(bookies int) Quorum {
	switch {
	case bookies >= 4:
		return Quorum{3, 3, 2}
	case bookies >= 2:
		return Quorum{2, 2, 2}
	}
	return Quorum{1, 1, 1}
}

// String is the form of the peer databag, such as "2/2/2".
func (q Quorum) String() string { return fmt.Sprintf("%d/%d/%d", q.Ensemble, q.Write, q.Ack) }

// ParseQuorum is the reverse of String.
func ParseQuorum(text string) (Quorum, error) {
	parts := strings.Split(text, "/")
	var numbers []int
	for _, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return Quorum{}, fmt.Errorf("cannot parse quorum %.20q: want <ensemble>/<write>/<ack>", text)
		}
		numbers = append(numbers, n)
	}
	if len(numbers) != 3 || numbers[1] > numbers[0] || numbers[2] > numbers[1] {
		return Quorum{}, fmt.Errorf("cannot parse quorum %.20q: want <ensemble>/<write>/<ack>, none greater than the one before", text)
	}
	return Quorum{numbers[0], numbers[1], numbers[2]}, nil
}

// nextQuorum is what the leader should decide. A quorum for more bookies is
// chosen when they serve, one for fewer when the others have gone: a broker
// that restarts on more bookies than there are cannot write. The first
// decision takes the plan, so that brokers do not start on less and restart.
// known are the bookies that have told their ids, planned those that Juju
// plans.
func nextQuorum(now Quorum, planned, known, serving int) Quorum {
	planned = max(planned, known)
	wanted := QuorumFor(planned)
	switch {
	case planned == 0:
		return now
	case now == Quorum{}, wanted.Ensemble <= now.Ensemble:
		return wanted
	case QuorumFor(serving) == wanted:
		return wanted
	}
	return now
}
