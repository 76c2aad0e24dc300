package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

type weekendCall struct {
	ID      string   `json:"id"`
	State   string   `json:"state"`
	Version int      `json:"version"`
	Members []string `json:"members"`
}

type weekendPhone struct {
	client  *http.Client
	address string
	user    string
	told    chan change
}

func newWeekendPhones(address string, users []string) []phone {
	phones := make([]phone, len(users))
	for at, user := range users {
		client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 1}}
		one := &weekendPhone{client, address, user, make(chan change, 16)}
		one.watch()
		phones[at] = one
	}
	return phones
}

func (p *weekendPhone) watch() {
	header := http.Header{"X-User-Id": {p.user}}
	options := &websocket.DialOptions{HTTPHeader: header, CompressionMode: websocket.CompressionDisabled}
	socket, _, err := websocket.Dial(context.Background(), "ws://"+p.address+"/watch", options)
	must(err)
	go func() {
		for {
			_, text, err := socket.Read(context.Background())
			at := time.Now()
			must(err)
			var told struct {
				Kind string      `json:"kind"`
				Call weekendCall `json:"call"`
			}
			must(json.Unmarshal(text, &told))
			p.told <- change{told.Kind, told.Call.ID, at, len(text)}
		}
	}()
}

func (p *weekendPhone) changes() <-chan change { return p.told }

func (p *weekendPhone) ring(ctx context.Context, call string, members []string) {
	p.post(ctx, "/calls", map[string]any{"id": call, "members": members}, call, "ringing", 1)
}

func (p *weekendPhone) accept(ctx context.Context, call string) {
	p.post(ctx, "/calls/"+call+"/accept", nil, call, "accepted", 2)
}

func (p *weekendPhone) end(ctx context.Context, call string) {
	p.post(ctx, "/calls/"+call+"/end", nil, call, "ended", 3)
}

func (p *weekendPhone) post(ctx context.Context, path string, body any, call, state string, version int) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		must(err)
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.address+path, sent)
	must(err)
	request.Header["X-User-Id"] = []string{p.user}
	if body != nil {
		request.Header["Content-Type"] = []string{"application/json"}
	}
	response, err := p.client.Do(request)
	must(err)
	text, err := io.ReadAll(response.Body)
	must(err)
	must(response.Body.Close())
	var answer weekendCall
	check(response.StatusCode == http.StatusOK, "%s: %s", path, response.Status)
	must(json.Unmarshal(text, &answer))
	check(answer.ID == call && answer.State == state && answer.Version == version, "%s: %s", path, text)
}
