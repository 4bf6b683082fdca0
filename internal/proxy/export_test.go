package proxy

// ConnectionsFor is for tests that are outside of this package.
var ConnectionsFor = connectionsFor

// Upgrades is workers.upgrades in force.
func (s *Server) Upgrades() int { return s.config.Load().Workers.Upgrades }

// MostStreams is workers.streams in force.
func (s *Server) MostStreams() int { return s.config.Load().Workers.Streams }
