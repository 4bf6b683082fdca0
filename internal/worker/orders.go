package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// orders are what the launcher tells the stub, through a pipe: a command line
// would show the worker's secrets to every user of the machine. Texts are bytes,
// since JSON would change what is not UTF-8.
type orders struct {
	Parent         int      // the PID of ripd
	Dir            []byte   //
	Args           [][]byte // the program first
	Env            [][]byte // "NAME=value"
	OOMScoreAdjust *int     // nil: as it is
	Batch          bool     // take the policy SCHED_BATCH
	Activation     bool     // pass socketFD on, as sd_listen_fds(3) says
	Mold           bool     // pass socketFD on, as StartMold says
}

// The descriptors that the stub inherits beside 0 to 2.
const (
	ordersFD = 3 // read end of a pipe with the orders
	reportFD = 4 // write end of a pipe for the report
	socketFD = 5 // the worker's listening socket or the mold's, if it is to be given one
)

// ordersMax bounds the orders in bytes: more than the arguments and environment
// that the kernel would take (a quarter of the 8 MB stack, execve(2)), in base64.
const ordersMax = 4 << 20

// reportMax bounds the stub's report in bytes.
const reportMax = 4 << 10

// The report of the stub: reportExec just before it executes the program, then,
// when that failed, or instead, reportFailed and the reason. The pipe closes
// with the execution.
const (
	reportExec   = "exec\n"
	reportFailed = "failed: "
)

var errOrdersTooLong = fmt.Errorf("arguments and environment have more than %d bytes", ordersMax/2)

func newOrders(s Spec, args, env []string) orders {
	return orders{
		Parent: os.Getpid(), Dir: []byte(s.Dir), Args: toBytes(args), Env: toBytes(env),
		OOMScoreAdjust: s.OOMScoreAdjust, Batch: s.Batch,
	}
}

func (o orders) encode() ([]byte, error) {
	text, err := json.Marshal(o)
	if err == nil && len(text) > ordersMax {
		err = errOrdersTooLong
	}
	return text, err
}

func readOrders(r io.Reader) (orders, error) {
	var o orders
	err := json.NewDecoder(io.LimitReader(r, ordersMax)).Decode(&o)
	if err == nil && (len(o.Args) == 0 || o.Parent == 0) {
		err = errors.New("they name no program")
	}
	if err != nil {
		return o, fmt.Errorf("read the launcher's orders: %w", err)
	}
	return o, nil
}

// parseReport tells what the report says: nil when the program was executed,
// errNoReport when the stub ended without a word.
func parseReport(report string) error {
	rest, executed := strings.CutPrefix(report, reportExec)
	if reason, failed := strings.CutPrefix(rest, reportFailed); failed {
		return errors.New(strings.TrimSuffix(reason, "\n"))
	}
	if !executed {
		return errNoReport
	}
	return nil
}

var errNoReport = errors.New("the process ended before it could execute the program")

func toBytes(list []string) [][]byte {
	out := make([][]byte, len(list))
	for i, text := range list {
		out[i] = []byte(text)
	}
	return out
}

func toStrings(list [][]byte) []string {
	out := make([]string, len(list))
	for i, text := range list {
		out[i] = string(text)
	}
	return out
}
