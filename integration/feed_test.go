package integration

import (
	"os"
	"testing"
	"time"
)

// TestFeed lets mounts hear of each other by the change feed alone: what another
// tool writes is not seen, which shows that nothing was listed.
func TestFeed(t *testing.T) {
	onRemotes(t, append(near(), indexed()), func(t *testing.T, s *site) {
		flags := []string{"--feed", "--refresh=1s", "--relist=30d"}
		maker, user := s.mount("a", flags...), s.mount("b", flags...)
		keys, foreign := archives("fed", 6), archives("foreign", 2)
		for _, m := range []*mount{maker, user} {
			m.learn()
		}
		s.writePlain(foreign)
		s.build("archive", maker.point, keys[:4]).all(t, "published", keys[:4])
		eventually(t, seenWithin, "the other host hears of them", func() bool { return foundAll(s, user, keys[:4]) })
		s.build("restore", user.point, keys[:4]).all(t, "restored", keys[:4])
		if err := os.Remove(maker.path(keys[0])); err != nil {
			t.Fatal(err)
		}
		eventually(t, seenWithin, "the other host hears that one is gone", func() bool {
			_, err := os.Stat(user.path(keys[0]))
			_, _ = os.Stat(user.path(archive("other", "package", int(time.Now().UnixNano())))) // a miss refreshes
			return os.IsNotExist(err)
		})

		s.build("archive", maker.point, keys[4:5]).all(t, "published", keys[4:5])
		maker.kill() // before it has told
		maker.restart(flags...)
		eventually(t, seenWithin, "what was not told is told by the next mount", func() bool { return foundAll(s, user, keys[4:5]) })

		user.stop()
		s.build("archive", maker.point, keys[5:]).all(t, "published", keys[5:])
		maker.flush()
		user.restart(flags...)
		eventually(t, seenWithin, "a later mount hears of what it missed", func() bool { return foundAll(s, user, keys[1:]) })
		s.build("check", user.point, foreign).all(t, "missing", foreign)
		user.refresh()
		eventually(t, time.Second, "a listing finds it", func() bool { return foundAll(s, user, foreign) })
	})
}
