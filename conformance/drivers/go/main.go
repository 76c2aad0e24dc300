// Command go is the conformance driver for Go: what it must do is in conformance/protocol.md. Commands come on stdin,
// reports go to stdout.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"

	ringline "github.com/ringline/ringline/clients/go"
)

// object is a JSON object.
type object = map[string]any

// command is what the runner says: the fields of all ops.
type command struct {
	ID       json.RawMessage   `json:"id"`
	Op       string            `json:"op"`
	Client   string            `json:"client"`
	Watch    string            `json:"watch"`
	Follow   string            `json:"follow"`
	Address  string            `json:"address"`
	Metadata map[string]string `json:"metadata"`
	Method   string            `json:"method"`
	Request  json.RawMessage   `json:"request"`
	Timeout  *float64          `json:"timeout"`
	User     string            `json:"user"`
	Device   string            `json:"device"`
	Verb     string            `json:"verb"`
	Type     string            `json:"type"`
	CallID   string            `json:"callId"`
	Args     json.RawMessage   `json:"args"`
}

// reports is where reports go, a line each.
type reports struct {
	mu  sync.Mutex
	out *json.Encoder
}

func (r *reports) send(report object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.out.Encode(report); err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
	}
}

// answer reports what became of a command: what is to be told, if no error.
func (r *reports) answer(id json.RawMessage, told object, err error) {
	report := object{"id": id}
	if err != nil {
		told = object{"error": explained(err)}
	}
	for key, value := range told {
		report[key] = value
	}
	r.send(report)
}

// explained returns an error, whoever's it is.
func explained(err error) object {
	var failed *ringline.Error
	var refused *rpcError
	switch {
	case errors.As(err, &failed):
		return said(failed)
	case errors.As(err, &refused):
		return refused.report
	default: // it was the driver, not the server, that could not do it
		return object{"code": "UNKNOWN", "message": "driver: " + err.Error()}
	}
}

// driver does what the runner says. Whatever may take long runs beside.
type driver struct {
	reports *reports
	beside  sync.WaitGroup

	stubs   map[string]*stubs
	watches map[string]*stubWatch
	sdks    map[string]*sdk
	follows map[string]func()
}

// take begins a command.
func (d *driver) take(c command) {
	switch c.Op {
	case "hello":
		d.reports.answer(c.ID, object{"language": "go", "sdk": true, "versions": versions()}, nil)
	case "connect":
		client, err := newStubs(c.Address, c.Metadata)
		if err == nil {
			d.stubs[c.Client] = client
		}
		d.reports.answer(c.ID, nil, err)
	case "sdk.connect":
		client, err := newSDK(c.Address, c.User, c.Device)
		if err == nil {
			d.sdks[c.Client] = client
		}
		d.reports.answer(c.ID, nil, err)
	case "close":
		d.reports.answer(c.ID, nil, d.close(c.Client))
	case "unary", "watch":
		client, ok := d.stubs[c.Client]
		if !ok {
			d.reports.answer(c.ID, nil, fmt.Errorf("there is no client %q", c.Client))
			return
		}
		d.onStubs(client, c)
	case "pause", "resume", "cancel":
		watch, ok := d.watches[c.Watch]
		if !ok {
			d.reports.answer(c.ID, nil, fmt.Errorf("there is no watch %q", c.Watch))
			return
		}
		d.reports.answer(c.ID, nil, nil)
		map[string]func(){"pause": watch.pause, "resume": watch.resume, "cancel": watch.cancel}[c.Op]()
	case "sdk.do", "sdk.follow":
		client, ok := d.sdks[c.Client]
		if !ok {
			d.reports.answer(c.ID, nil, fmt.Errorf("there is no client %q", c.Client))
			return
		}
		d.withSDK(client, c)
	case "sdk.unfollow":
		stop, ok := d.follows[c.Follow]
		if !ok {
			d.reports.answer(c.ID, nil, fmt.Errorf("there is no follow %q", c.Follow))
			return
		}
		d.reports.answer(c.ID, nil, nil)
		stop()
	default:
		d.reports.answer(c.ID, nil, fmt.Errorf("there is no op %q", c.Op))
	}
}

func (d *driver) onStubs(client *stubs, c command) {
	if c.Op == "unary" {
		d.beside.Go(func() {
			response, err := client.unary(c.Method, c.Request, c.Timeout)
			d.reports.answer(c.ID, object{"response": response}, err)
		})
		return
	}
	watch, err := client.watch(c.Request)
	d.reports.answer(c.ID, nil, err)
	if err != nil {
		return
	}
	d.watches[c.Watch] = watch
	d.beside.Go(func() {
		err := watch.report(func(message json.RawMessage) {
			d.reports.send(object{"watch": c.Watch, "message": message})
		})
		d.reports.send(object{"watch": c.Watch, "end": end(err)})
	})
}

func (d *driver) withSDK(client *sdk, c command) {
	if c.Op == "sdk.do" {
		d.beside.Go(func() {
			result, err := client.do(c.Verb, c.Type, c.CallID, c.Args)
			d.reports.answer(c.ID, object{"result": result}, err)
		})
		return
	}
	d.reports.answer(c.ID, nil, nil)
	follow, stop := client.follow(c.Args)
	d.follows[c.Follow] = stop
	d.beside.Go(func() {
		err := follow(func(calls []object) { d.reports.send(object{"follow": c.Follow, "calls": calls}) })
		d.reports.send(object{"follow": c.Follow, "end": end(err)})
	})
}

func (d *driver) close(name string) error {
	if client, ok := d.stubs[name]; ok {
		delete(d.stubs, name)
		return client.close()
	}
	if client, ok := d.sdks[name]; ok {
		delete(d.sdks, name)
		return client.client.Close()
	}
	return fmt.Errorf("there is no client %q", name)
}

// end returns how a stream ended.
func end(err error) object {
	if err == nil {
		return object{"code": "OK"}
	}
	return explained(err)
}

func versions() object {
	found := object{}
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		switch module.Path {
		case "google.golang.org/grpc":
			found["grpc"] = module.Version
		case "google.golang.org/protobuf":
			found["protobuf"] = module.Version
		}
	}
	return found
}

func main() {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	d := &driver{
		reports: &reports{out: out},
		stubs:   map[string]*stubs{},
		watches: map[string]*stubWatch{},
		sdks:    map[string]*sdk{},
		follows: map[string]func(){},
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 1 {
			var c command
			if err := json.Unmarshal(line, &c); err != nil {
				fmt.Fprintln(os.Stderr, "driver:", err)
			} else {
				d.take(c)
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				fmt.Fprintln(os.Stderr, "driver:", err)
			}
			break
		}
	}
	for name := range d.stubs {
		_ = d.close(name)
	}
	for name := range d.sdks {
		_ = d.close(name)
	}
	d.beside.Wait()
}
