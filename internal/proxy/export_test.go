package proxy

import "golang.org/x/sys/unix"

// ConnectionsFor is for tests that are outside of this package.
var ConnectionsFor = connectionsFor

// Upgrades is workers.upgrades in force.
func (s *Server) Upgrades() int { return s.config.Load().Workers.Upgrades }

// MostStreams is workers.streams in force.
func (s *Server) MostStreams() int { return s.config.Load().Workers.Streams }

// MakeDescriptors is what a lack of descriptors leads to.
func (s *Server) MakeDescriptors() { s.makeDescriptors(unix.EMFILE) }
