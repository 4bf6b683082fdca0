package proxy

// ConnectionsFor is for tests that are outside of this package.
var ConnectionsFor = connectionsFor
