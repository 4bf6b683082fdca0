package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// rails is needed by the example of that name.
const rails = "rails"

// railsApp copies the example, which keeps its data in its folder.
func railsApp(t *testing.T) string {
	t.Helper()
	testkit.Need(t, "ruby")
	if out, err := exec.Command("ruby", "-e", `%w[railties activerecord sqlite3].each { |name| gem name }`).CombinedOutput(); err != nil {
		testkit.Lacking(t, fmt.Sprintf("Ruby lacks a part of Rails; `make packages` installs it: %s", out))
	}
	dir := filepath.Join(t.TempDir(), rails)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(testkit.Root(t), "docs/examples", rails))); err != nil {
		t.Fatal(err)
	}
	return dir
}

const products = `200 [{"name":"tea","price":250},{"name":"cake","price":390}]`

// A Rails app in production, loaded once or by each worker: it answers, and no
// client notices its rolls.
func TestRails(t *testing.T) {
	for _, preload := range []bool{true, false} {
		t.Run(fmt.Sprintf("preload=%v", preload), func(t *testing.T) {
			t.Setenv("RACK_ENV", "production")
			t.Setenv("RIP_WORKERS_PRELOAD", fmt.Sprint(preload))
			a := serve(t, railsApp(t), "w:2", "--hot-reload=none")
			answers(t, a, rails, "Rails")
			for range 3 {
				restarts(t, a)
				if got := a.do("GET", "/products", ""); got != products {
					t.Errorf("/products: %q", got)
				}
			}
			respawns(t, a)
			if n := len(a.molds()); preload != (n == 4) {
				t.Errorf("the app was loaded %d times before it was forked, for 4 generations", n)
			}
			ends(t, a)
		})
	}
}

// In development Zeitwerk loads a class when it is needed for the first time. A
// change of its file, and a new file, are there for the next request.
func TestRailsReloads(t *testing.T) {
	for _, c := range []struct{ mode, preload string }{{"module", "false"}, {"process", "true"}} {
		t.Run(c.mode, func(t *testing.T) {
			t.Setenv("RIP_WORKERS_PRELOAD", c.preload)
			t.Setenv("RIP_QUEUE_TIMEOUT", "60s") // on a slow machine Rails boots for long
			dir := railsApp(t)
			a := serve(t, dir, "w:2", "--hot-reload="+c.mode)
			write := func(name, text string) {
				t.Helper()
				if err := writeByRename(filepath.Join(dir, name), text); err != nil {
					t.Fatal(err)
				}
			}
			controller, err := os.ReadFile(filepath.Join(dir, "app/controllers/products_controller.rb"))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // both workers have loaded it
				if got := a.do("GET", "/products", ""); got != products {
					t.Fatalf("/products: %q", got)
				}
			}
			clients := startCrowd(a, 4)
			write("app/controllers/products_controller.rb", strings.Replace(string(controller), "order(:price)", "order(price: :desc)", 1))
			if got, want := a.do("GET", "/products", ""), `200 [{"name":"cake","price":390},{"name":"tea","price":250}]`; got != want {
				t.Errorf("after a change of the controller: %q", got)
			}
			write("app/models/label.rb", "module Label\n  def self.for(product) = \"#{product.name} #{product.price}\"\nend\n")
			write("app/controllers/products_controller.rb",
				strings.Replace(string(controller), "Product.order(:price).as_json(only: %i[name price])", "Product.order(:price).map { |p| Label.for(p) }", 1))
			if got, want := a.do("GET", "/products", ""), `200 ["tea 250","cake 390"]`; got != want {
				t.Errorf("after a new file: %q", got)
			}
			write("app/models/label.rb", "module Label\n  def self.for(product) = product.name.upcase\nend\n")
			if got, want := a.do("GET", "/products", ""), `200 ["TEA","CAKE"]`; got != want {
				t.Errorf("after a change of the new file: %q", got)
			}
			clients.stop(t)
			ends(t, a)
		})
	}
}
