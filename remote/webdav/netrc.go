package webdav

import "strings"

// netrcPassword finds the entry of a host in the text of a netrc file: the
// first "machine" of that name whose login is user, or "default". An empty
// user takes any entry. The grammar is that of ftp(1): words, in any order and
// over any number of lines; a macro goes on to the next empty line.
func netrcPassword(text, host, user string) (login, password string, ok bool) {
	for _, e := range netrcEntries(text) {
		if e.machine != "" && !strings.EqualFold(e.machine, host) {
			continue
		}
		if e.login == "" {
			e.login = user
		}
		if user == "" || e.login == user {
			return e.login, e.password, true
		}
	}
	return "", "", false
}

// A netrcEntry has no machine when it is the default.
type netrcEntry struct{ machine, login, password string }

func netrcEntries(text string) []netrcEntry {
	var all []netrcEntry
	words := netrcWords(text)
	next := func() (word string) {
		if len(words) > 0 {
			word, words = words[0], words[1:]
		}
		return word
	}
	for len(words) > 0 {
		switch word := next(); {
		case word == "machine":
			if name := next(); name != "" {
				all = append(all, netrcEntry{machine: name})
			}
		case word == "default":
			all = append(all, netrcEntry{})
		case len(all) == 0:
		case word == "login":
			all[len(all)-1].login = next()
		case word == "password":
			all[len(all)-1].password = next()
		case word == "account":
			next()
		}
	}
	return all
}

// netrcWords leaves out comments and macros. A word may stand in double
// quotes, as curl has it.
func netrcWords(text string) (words []string) {
	macro := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if macro || strings.HasPrefix(line, "#") {
			macro = macro && line != ""
			continue
		}
		for line != "" {
			var word string
			word, line = netrcWord(line)
			if word == "macdef" {
				macro = true
				break
			}
			words = append(words, word)
		}
	}
	return words
}

// netrcWord cuts the first word off a line that does not begin with a space.
func netrcWord(line string) (word, rest string) {
	if line[0] != '"' {
		i := strings.IndexAny(line, " \t")
		if i < 0 {
			return line, ""
		}
		return line[:i], strings.TrimLeft(line[i:], " \t")
	}
	var b strings.Builder
	for i := 1; i < len(line); i++ {
		switch {
		case line[i] == '"':
			return b.String(), strings.TrimLeft(line[i+1:], " \t")
		case line[i] == '\\' && i+1 < len(line):
			i++
		}
		b.WriteByte(line[i])
	}
	return b.String(), ""
}
