// Command load is the load generator of the benchmarks. It runs one scenario against one server, checks every answer and
// every stream message, and stops with a complaint and status 1 at the first that is wrong.
//
// It prepares, prints a line, waits for a line on stdin, works, prints its result as a line of JSON, and stays, its
// streams open, until stdin ends: so whoever started it can read the server's CPU time and memory at the right moments.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"time"
)

// longest is how long a scenario may take altogether: a server that never answers must not stop the benchmarks.
const longest = 5 * time.Minute

// patience is how long anything may take before it counts as lost.
const patience = 30 * time.Second

type options struct {
	address string
	wire    string
	strict  bool
	pairs   int
	conns   int
	streams int
	members int
	count   int
	rate    float64
	seconds float64
	user    string
}

var scenarios = map[string]func(options) any{
	"record":    record,
	"calls":     calls,
	"rate":      steady,
	"idle":      idle,
	"snapshots": snapshots,
	"ring":      ringGroup,
	"answer":    answerGroup,
	"resume":    resume,
	"missed":    missed,
	"flood":     flood,
}

var stdin = bufio.NewReader(os.Stdin)

func main() {
	log.SetFlags(0)
	var given options
	flag.StringVar(&given.address, "address", "", "HOST:PORT of the server")
	flag.StringVar(&given.wire, "wire", "grpc", "grpc or weekend")
	flag.BoolVar(&given.strict, "strict", true, "check what answers say; false for canned bytes, of which only the kind can be right")
	flag.IntVar(&given.pairs, "pairs", 16, "pairs of users that call each other at a time")
	flag.IntVar(&given.conns, "conns", 0, "connections to share; 0 is one for each device")
	flag.IntVar(&given.streams, "streams", 0, "idle streams")
	flag.IntVar(&given.members, "members", 2, "members of a call")
	flag.IntVar(&given.count, "count", 1, "how many times")
	flag.Float64Var(&given.rate, "rate", 0, "calls a second")
	flag.Float64Var(&given.seconds, "seconds", 3, "how long")
	flag.StringVar(&given.user, "user", "", "who watches")
	flag.Parse()
	scenario, known := scenarios[flag.Arg(0)]
	if !known {
		log.Fatalf("load: no scenario %q", flag.Arg(0))
	}
	time.AfterFunc(longest, func() { log.Fatalf("load: %s was not over after %v", flag.Arg(0), longest) })
	say(scenario(given))
	for hear() {
	}
}

// prepared says so and waits for the word to go on.
func prepared(what any) {
	say(what)
	if !hear() {
		os.Exit(0)
	}
}

func say(what any) {
	text, err := json.Marshal(what)
	must(err)
	fmt.Println(string(text))
}

func hear() bool {
	_, err := stdin.ReadString('\n')
	return err == nil
}

// must stops everything: a measurement with a mistake in it is none.
func must(err error) {
	if err != nil {
		log.Fatalf("load: %v", err)
	}
}

func check(right bool, format string, arguments ...any) {
	if !right {
		log.Fatalf("load: "+format, arguments...)
	}
}
