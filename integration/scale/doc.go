// Command scale works out what a site costs in requests, bytes and money on an
// object store per day: it prints the tables of docs/SCALE.md. It asks no
// server. What a listing, a touch or a refresh takes is what the code does
// (store/indexfill.go, store/feed.go, remote/s3/tree.go); what builds do, and
// prices, are assumptions that flags change.
//
//	go run ./integration/scale
package main
