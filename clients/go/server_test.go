package ringline_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	ringline "github.com/ringline/ringline/clients/go"
)

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// server is a real server on an address and a database that outlive it.
type server struct {
	t       *testing.T
	program string
	folder  string
	address string
	process *exec.Cmd
}

// startServer starts a server for one test. RINGLINE_SERVER names the program; by default it is the checkout's own.
func startServer(t *testing.T) *server {
	t.Helper()
	program := os.Getenv("RINGLINE_SERVER")
	if program == "" {
		program = filepath.Join("..", "..", ".venv", "bin", "ringline-server")
	}
	found, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("SKIPPED: there is no server to test against (%v). Name one in RINGLINE_SERVER.", err)
	}
	found, err = filepath.Abs(found)
	must(t, err)
	s := &server{t: t, program: found, folder: t.TempDir(), address: "127.0.0.1:0"}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// start starts it, again on the address that it had.
func (s *server) start() {
	s.t.Helper()
	s.process = exec.Command(s.program, "serve", "--listen", s.address, "--database", "test.db", "--log-level", "error")
	s.process.Dir = s.folder
	s.process.Stderr = os.Stderr
	out, err := s.process.StdoutPipe()
	must(s.t, err)
	must(s.t, s.process.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(s.t, err)
	_, rest, _ := strings.Cut(line, "serving on ")
	s.address, _, _ = strings.Cut(rest, " ")
	go func() { _, _ = io.Copy(io.Discard, out) }()
}

// kill ends it without a chance to say goodbye.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// stop ends it as planned.
func (s *server) stop() {
	_ = s.process.Process.Signal(syscall.SIGTERM)
	_ = s.process.Wait()
}

// as returns a client for a user on a device.
func (s *server) as(user, device string) *ringline.Client {
	return clientAt(s.t, s.address, user, device)
}

func clientAt(t *testing.T, address, user, device string) *ringline.Client {
	t.Helper()
	client, err := ringline.NewClient(address, ringline.WithUser(user), ringline.WithDevice(device))
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// proxy is a network that can be cut, and that can swallow what passes.
type proxy struct {
	listener net.Listener
	target   string

	mu       sync.Mutex
	conns    []net.Conn
	accepted int
	silent   bool            // what comes from the server gets lost
	answered func(bytes int) // called before bytes of the server's are passed on
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{listener: listener, target: target}
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut()
	})
	go p.serve()
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) serve() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		p.accepted++
		silent := new(bool)
		p.conns = append(p.conns, near, far)
		p.mu.Unlock()
		go func() {
			_, _ = io.Copy(far, near)
			_ = far.Close()
		}()
		go p.back(near, far, silent)
	}
}

func (p *proxy) back(near, far net.Conn, silent *bool) {
	defer near.Close()
	buffer := make([]byte, 1<<16)
	for {
		count, err := far.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		*silent = *silent || p.silent
		lost, answered := *silent, p.answered
		p.mu.Unlock()
		if answered != nil {
			answered(count)
		}
		if lost {
			continue
		}
		if _, err := near.Write(buffer[:count]); err != nil {
			return
		}
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
}

func (p *proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func background(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// lists follows the calls of a client.
type lists struct {
	t    *testing.T
	news chan []*ringline.Call
	end  chan error
	stop context.CancelFunc
}

func follow(t *testing.T, client *ringline.Client, options ...ringline.WatchOption) *lists {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	l := &lists{t: t, news: make(chan []*ringline.Call, 100), end: make(chan error, 1), stop: cancel}
	go func() {
		for calls, err := range client.WatchCalls(ctx, options...) {
			if err != nil {
				l.end <- err
				return
			}
			l.news <- calls
		}
		l.end <- nil
	}()
	return l
}

// until waits for a list that is as it should be.
func (l *lists) until(what string, is func([]*ringline.Call) bool) []*ringline.Call {
	l.t.Helper()
	late := time.After(patience)
	for {
		select {
		case calls := <-l.news:
			if is(calls) {
				return calls
			}
		case err := <-l.end:
			l.t.Fatalf("the watch ended (%v) before it showed %s", err, what)
		case <-late:
			l.t.Fatalf("the watch does not show %s", what)
		}
	}
}

func (l *lists) untilEnd() error {
	l.t.Helper()
	select {
	case err := <-l.end:
		return err
	case <-time.After(patience):
		l.t.Fatal("the watch does not end")
		return nil
	}
}

func none(calls []*ringline.Call) bool { return len(calls) == 0 }
func one(calls []*ringline.Call) bool  { return len(calls) == 1 }
