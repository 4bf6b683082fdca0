package proxy_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// keyUpdates is a client's side of TLS 1.3 with AES_128_GCM that does nothing but
// ask for new keys (RFC 8446 sections 4.6.3 and 7).
type keyUpdates struct {
	t      *testing.T
	secret []byte
	sent   byte // records with this secret
}

// expand is HKDF-Expand-Label without a context.
func (k *keyUpdates) expand(label string, length int) []byte {
	k.t.Helper()
	label = "tls13 " + label
	info := string([]byte{0, byte(length), byte(len(label))}) + label + "\x00"
	b, err := hkdf.Expand(sha256.New, k.secret, info, length)
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

// next is the record that asks for new keys and is the last one with the old.
func (k *keyUpdates) next() []byte {
	k.t.Helper()
	block, err := aes.NewCipher(k.expand("key", 16))
	if err != nil {
		k.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		k.t.Fatal(err)
	}
	nonce := k.expand("iv", 12)
	nonce[11] ^= k.sent
	const updateRequested, handshakeRecord = 1, 22
	message := []byte{24, 0, 0, 1, updateRequested, handshakeRecord}
	head := []byte{23, 3, 3, 0, byte(len(message) + aead.Overhead())}
	k.secret, k.sent = k.expand("traffic upd", 32), 0
	return aead.Seal(head, nonce, message, head)
}

// The TLS layer answers a client that asks for new keys from the goroutine that
// reads, in the middle of an answer that waits for its slow client.
func TestNewKeysWithinAnAnswer(t *testing.T) {
	// The spool's bound makes the worker's goroutine wait within a batch.
	r := newSecureRig(t, func(o *proxy.Options) {
		o.Config.Limits.Buffer, o.Config.Limits.ResponseSpool = 64<<10, 256<<10
	})
	body := strings.Repeat("0123456789abcdef", 1<<20)
	r.worker(handler(func(*http.Request) string { return ok(body) }))
	plain, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	_ = plain.SetDeadline(time.Now().Add(testkit.Timeout))
	var keys bytes.Buffer
	settings := r.cert.Client("test.example")
	settings.MinVersion, settings.KeyLogWriter = tls.VersionTLS13, &keys
	c := tls.Client(plain, settings)
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if suite := c.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		testkit.Lacking(t, "without AES in the processor the record would be another: "+tls.CipherSuiteName(suite))
	}
	_, line, _ := strings.Cut(keys.String(), "CLIENT_TRAFFIC_SECRET_0 ")
	var random, secret string
	if _, err := fmt.Sscan(line, &random, &secret); err != nil {
		t.Fatal(err)
	}
	k := &keyUpdates{t: t, sent: 1}
	if k.secret, err = hex.DecodeString(secret); err != nil {
		t.Fatal(err)
	}
	const most = 12 // crypto/tls takes 16 in a row
	var got bytes.Buffer
	for n := range most {
		if _, err := plain.Write(k.next()); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(&got, c, int64(len(body)/most)); err != nil {
			t.Fatalf("after %d new keys and %d bytes: %v", n+1, got.Len(), err)
		}
	}
	rest, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("after %d bytes: %v", got.Len(), err)
	}
	got.Write(rest)
	if !strings.HasSuffix(got.String(), body) {
		t.Errorf("%d bytes came", got.Len())
	}
}
