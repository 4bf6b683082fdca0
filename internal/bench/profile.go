package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// profileVariable is where a ripd that was built with the tag profile writes its
// CPU profile when it ends.
const profileVariable = "RIPD_CPUPROFILE"

// profileLoads are what the profile is made of, once each: what servers do most.
var profileLoads = []string{"c64", "c512", "tls", "h2-1", "up-64k", "new", "c1"}

// runProfile loads ripd, then ends it, so that it writes its profile.
func runProfile(ctx context.Context, dir string, o options) error {
	if os.Getenv(profileVariable) == "" {
		return fmt.Errorf("%s names no file", profileVariable)
	}
	loads := profileLoads
	if len(o.loads) > 0 {
		loads = o.loads
	}
	chosen, err := choose(groups(), loads, []string{"ripd"})
	if err != nil {
		return err
	}
	certificate := filepath.Join(dir, "certificate.pem")
	if err := writeCertificate(certificate); err != nil {
		return err
	}
	g := chosen[0]
	s, err := startServer(ctx, "ripd", filepath.Join(dir, "ripd"), "/ping", g.known["ripd"], setup{workers: o.workers, certificate: certificate, ripd: o.ripd})
	if err != nil {
		return err
	}
	defer s.stop()
	for _, what := range g.scenarios {
		one, err := s.sample(ctx, what, o, dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s: %.0f requests/s\n", what.name, one.PerSecond)
	}
	return nil
}
