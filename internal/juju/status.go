package juju

// StatusName is one of the words of juju status.
type StatusName string

// The statuses a charm may set. Error and Unknown are Juju's own: status-set
// refuses them.
const (
	Error       StatusName = "error"
	Blocked     StatusName = "blocked"     // a human must act; the message names the act
	Maintenance StatusName = "maintenance" // the charm is busy and will end alone
	Waiting     StatusName = "waiting"     // another unit or application must act
	Active      StatusName = "active"      // the unit does its job now
	Unknown     StatusName = "unknown"
)

// Status is a status name with a message of one line.
type Status struct {
	Name    StatusName
	Message string
}

// severity follows the order ops uses: error, blocked, maintenance, waiting,
// active, unknown.
func (n StatusName) severity() int {
	for i, name := range []StatusName{Unknown, Active, Waiting, Maintenance, Blocked, Error} {
		if n == name {
			return i
		}
	}
	return -1
}

// Worst is the status of the highest severity; of equals the first. The zero
// Status if there is none.
func Worst(statuses ...Status) Status {
	var worst Status
	for _, s := range statuses {
		if worst.Name == "" || s.Name.severity() > worst.Name.severity() {
			worst = s
		}
	}
	return worst
}
