package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// cableApp is a Rails app with one channel, as Rails' guide writes it, in one file.
const cableApp = `
require 'rails'
require 'action_controller/railtie'
require 'action_cable/engine'

class Chat < Rails::Application
  config.eager_load = false
  config.secret_key_base = 'x' * 64
  config.logger = Logger.new($stderr, level: :warn)
  config.hosts.clear
  config.action_cable.mount_path = '/cable'
  config.action_cable.disable_request_forgery_protection = true
  config.action_cable.worker_pool_size = 2
  routes.append { get '/say', to: ->(env) { ActionCable.server.broadcast('room', { text: 'from a request' }); [200, {}, ['said']] } }
end

module ApplicationCable
  class Connection < ActionCable::Connection::Base
    identified_by :name
    def connect
      self.name = request.params[:name].presence or reject_unauthorized_connection
    end
  end
  class Channel < ActionCable::Channel::Base; end
end

class RoomChannel < ApplicationCable::Channel
  def subscribed = stream_from('room')
  def speak(data) = ActionCable.server.broadcast('room', { text: data['text'], from: name })
end

ActionCable.server.config.cable = { 'adapter' => 'async' }
Chat.initialize!
run Chat
`

// cable is a client of Action Cable.
type cable struct {
	t *testing.T
	c *websocket.Conn
}

func (a *app) cable(t *testing.T, name string) *cable {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startMost)
	defer cancel()
	c, _, err := websocket.Dial(ctx, strings.Replace(a.url, "http", "ws", 1)+"/cable?name="+name, &websocket.DialOptions{
		Subprotocols: []string{"actioncable-v1-json"}, HTTPHeader: http.Header{"Origin": {"http://shop.example"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	if c.Subprotocol() != "actioncable-v1-json" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	return &cable{t, c}
}

// next reads the next message that is no ping.
func (c *cable) next() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startMost)
	defer cancel()
	for {
		_, data, err := c.c.Read(ctx)
		if err != nil {
			return err.Error()
		}
		if !strings.Contains(string(data), `"type":"ping"`) {
			return string(data)
		}
	}
}

func (c *cable) tell(command string, more map[string]string) {
	c.t.Helper()
	what := map[string]string{"command": command, "identifier": `{"channel":"RoomChannel"}`}
	if more != nil {
		data, err := json.Marshal(more)
		if err != nil {
			c.t.Fatal(err)
		}
		what["data"] = string(data)
	}
	text, err := json.Marshal(what)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.c.Write(context.Background(), websocket.MessageText, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cable) wants(text string) {
	c.t.Helper()
	if got := c.next(); !strings.Contains(got, text) {
		c.t.Fatalf("%q is not in %s", text, got)
	}
}

// Rails' Action Cable takes the connection from the adapter: clients subscribe, speak
// to each other, hear what a request says, and are told to come back by a roll.
func TestActionCable(t *testing.T) {
	needGems(t, "actioncable", "railties")
	t.Setenv("RACK_ENV", "production")
	t.Setenv("RIP_TIMEOUTS_UPGRADE_DRAIN", "1s")
	a := serve(t, save(t, t.TempDir(), "config.ru", cableApp), "w:1", "--hot-reload=none")
	join := func(name string) *cable {
		c := a.cable(t, name)
		c.wants(`"type":"welcome"`)
		c.tell("subscribe", nil)
		c.wants(`"type":"confirm_subscription"`)
		return c
	}
	anna, ben := join("anna"), join("ben")
	anna.tell("message", map[string]string{"action": "speak", "text": "hello"})
	for _, c := range []*cable{anna, ben} {
		c.wants(`"text":"hello","from":"anna"`)
	}
	if got := a.do("GET", "/say", ""); got != "200 said" {
		t.Fatal(got)
	}
	for _, c := range []*cable{anna, ben} {
		c.wants(`"text":"from a request"`)
	}
	a.cable(t, "").wants(`"reason":"unauthorized"`)
	if code, out, errOut := a.ctl("restart"); code != 0 {
		t.Fatal(out, errOut)
	}
	for _, c := range []*cable{anna, ben} {
		c.wants("StatusGoingAway")
	}
	join("anna")
}
