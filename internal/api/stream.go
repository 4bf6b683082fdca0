package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
)

// Restart replaces the generation and reports each step. When ctx ends, the roll
// goes on without being watched.
func (c *Client) Restart(ctx context.Context, step func(Step)) (Verdict, error) {
	return c.long(ctx, PathRestart, RollRequest{}, step)
}

// Reload does what Restart does, in the words of a service manager.
func (c *Client) Reload(ctx context.Context, step func(Step)) (Verdict, error) {
	return c.long(ctx, PathReload, RollRequest{}, step)
}

// Scale changes the number of workers and reports each step.
func (c *Client) Scale(ctx context.Context, r ScaleRequest, step func(Step)) (Verdict, error) {
	return c.long(ctx, PathScale, r, step)
}

// Stop ends the app and its ripd, and reports each step.
func (c *Client) Stop(ctx context.Context, step func(Step)) (Verdict, error) {
	return c.long(ctx, PathStop, StopRequest{}, step)
}

// Upgrade has another ripd take over, and reports each step.
func (c *Client) Upgrade(ctx context.Context, r UpgradeRequest, step func(Step)) (Verdict, error) {
	return c.long(ctx, PathUpgrade, r, step)
}

// Begin starts a long operation and does not wait for its end. Path is
// PathRestart or PathReload.
func (c *Client) Begin(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.do(ctx, http.MethodPost, path, RollRequest{})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// long makes a call that answers with steps and a verdict.
func (c *Client) long(ctx context.Context, path string, body any, step func(Step)) (Verdict, error) {
	var verdict *Verdict
	err := c.lines(ctx, http.MethodPost, path, body, func(b []byte) error {
		var l Line
		if err := json.Unmarshal(b, &l); err != nil {
			return fmt.Errorf("read a step of %s: %w", path, err)
		}
		if l.Step != nil && verdict == nil && step != nil {
			step(*l.Step)
		}
		if l.Verdict != nil {
			verdict = l.Verdict
		}
		return nil
	})
	switch {
	case verdict != nil:
		return *verdict, nil // what broke after it no longer matters
	case err != nil:
		return Verdict{}, err
	}
	return Verdict{}, ErrCutOff
}

// Events calls event for each thing that happens, heartbeats too, until ctx ends, ripd
// stops (nil) or event gives an error (that error).
func (c *Client) Events(ctx context.Context, event func(Event) error) error {
	return c.lines(ctx, http.MethodGet, PathEvents, nil, func(b []byte) error {
		var e Event
		if err := json.Unmarshal(b, &e); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		return event(e)
	})
}

// lines makes a call and hands on its answer line by line.
func (c *Client) lines(ctx context.Context, method, path string, body any, line func([]byte) error) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	s := bufio.NewScanner(resp.Body)
	s.Buffer(make([]byte, 0, 4096), MaxLineBytes)
	for s.Scan() {
		if len(s.Bytes()) == 0 {
			continue
		}
		if err := line(s.Bytes()); err != nil {
			return err
		}
	}
	switch err := s.Err(); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return ErrCutOff
	default:
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
}
