package account

// Result is what the dummy client prints as one line of JSON.
type Result struct {
	// Error is a sentence if the command could not do what was asked; what
	// else is set was true up to then.
	Error    string    `json:"error,omitempty"`
	Produced *Produced `json:"produced,omitempty"`
	Consumed *Consumed `json:"consumed,omitempty"`
	Check    *Report   `json:"check,omitempty"`
}

// Produced is the outcome of one run of a producer.
type Produced struct {
	Run  string `json:"run,omitempty"`
	Sent uint64 `json:"sent"`
	// Acked are the messages that Pulsar acknowledged, Refused those for
	// which it or the client library gave an error.
	Acked          uint64 `json:"acked"`
	Refused        uint64 `json:"refused"`
	LongestPauseMS int64  `json:"longest-pause-ms"`
	DurationMS     int64  `json:"duration-ms"`
}

// Consumed is the outcome of reading from a durable subscription.
type Consumed struct {
	// Received counts every delivery, Duplicates those of a message that was
	// delivered before.
	Received   uint64 `json:"received"`
	Duplicates uint64 `json:"duplicates"`
	DurationMS int64  `json:"duration-ms"`
}

// Total is what journals say of all their runs together; what was refused
// stands in none.
func Total(records []Record) Produced {
	var total Produced
	for _, record := range records {
		total.Sent += record.Sent
		total.Acked += record.Acked.Count()
		total.LongestPauseMS = max(total.LongestPauseMS, record.Pause.Milliseconds())
	}
	return total
}
