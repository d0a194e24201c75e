// Package servers starts real servers for tests: object stores, WebDAV servers
// and a plain mirror, each on a free port of the loopback interface with a
// folder of its own, and ends them with the test.
//
//	func TestX(t *testing.T) {
//		for _, kind := range servers.S3() {
//			srv := servers.Start(t, kind)
//			root := srv.Sub(t, "x") // a fresh prefix of it
//			... root.Address, srv.Env ...
//		}
//	}
//
// It is for tests only and holds no code of the product. What a server needs
// is installed by `make deps`; a server that is missing fails the test.
//
// # Whose they are
//
// Run by root, Apache and nginx drop to www-data as they do on a site, and own
// their data folder; run by an ordinary user every server runs as that user.
// Each server is the leader of a process group of its own: Pause, Resume and
// Kill reach its workers too. The kernel ends a server whose test was killed.
// After the test nothing of the group may be left.
//
// # Data
//
// Data is the folder whose plain files are the objects, so that a test can look
// at them and put files there as another tool would, with Write: it leaves the
// file to the server's user. MinIO has a format of its own and no such folder.
// By default rclone keeps what it knows of a folder for minutes; here it looks
// each time.
package servers
