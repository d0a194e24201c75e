// Package proxy stands between a client and a server in tests and spoils their
// connection: by distance and rate (Latency, Link), or by the faults of
// networks and servers (Start). All listen on the loopback interface and end
// with the test.
//
//	p := proxy.Start(t, srv.URL)
//	... root.AddressAt(p.URL) ...
//	p.Set(proxy.Status(503).Every(3))
//	p.Heal()
//
// A Line works on bytes and for any protocol. A Proxy understands HTTP: it
// hands requests on unchanged, Host included, so that signatures and WebDAV's
// Destination stay right. Each request to the server has a connection of its
// own, so that no fault is seen but the one that was asked for.
//
// # Verbs
//
// Faults and counts go by verb. It is the method, but a listing of S3 is LIST,
// a copy of S3 is COPY, and what creates, fills and completes a multipart
// upload stays POST and PUT.
package proxy
