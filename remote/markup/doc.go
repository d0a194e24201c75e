// Package markup reads the XML that servers send as listings, tag by tag while
// it arrives. encoding/xml takes several times as long, which is most of what a
// listing of a million objects costs this host.
//
// It is made for elements that hold either text or elements. Prefixes are cut
// off names and not resolved: what is asked for has a name that nothing else in
// the answer has. Attributes are skipped. The text of an element is what stands
// between its tags, with references, CDATA sections and comments taken care of.
// A document type, which could define anything, and every encoding but UTF-8
// are refused.
//
// A Scanner needs memory for the longest tag or text, and no more than Limit.
// Errors are ErrSyntax, or those of the reader; a text that ends with an
// element open is io.ErrUnexpectedEOF. A Scanner belongs to one goroutine.
package markup
