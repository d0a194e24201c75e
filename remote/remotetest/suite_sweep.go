package remotetest

import (
	"errors"

	"sstatefs/remote"
)

// testSweep: what List gives, in whole folders and none of them twice, also
// where the names of a folder lie around those of a folder inside it.
func testSweep(s *suite) {
	s.needList()
	sweeper, ok := s.r.(remote.Sweeper)
	if !ok {
		s.Skip("this remote has no Sweep")
	}
	const objects = 1_200 // more than a page of S3
	s.fill(objects)
	nested := []remote.Key{"aa/bb/sstate:a", "aa/bb/sstate:m/00/sstate:inside", "aa/bb/sstate:z", "universal/" + Key(0)}
	for _, key := range nested {
		if err := s.r.Put(s.ctx, key, Bytes("x"), remote.PutOptions{}); err != nil {
			s.Fatalf("Put(%q) = %v", key, err)
		}
	}
	listed := s.list("")
	folders := make(map[string]bool)
	n := 0
	err := sweeper.Sweep(s.ctx, func(folder string, files []remote.Info) error {
		if folders[folder] || len(files) == 0 {
			s.Errorf("Sweep gives %q twice, or empty", folder)
		}
		folders[folder] = true
		for _, info := range files {
			n++
			at, _ := info.Key.Split()
			if want, ok := listed[info.Key]; !ok || want.Size != info.Size || !want.ModTime.Equal(info.ModTime) || at != folder {
				s.Errorf("Sweep gives %+v in %q, List %+v", info, folder, want)
			}
		}
		return nil
	})
	if errors.Is(err, remote.ErrUnsupported) {
		s.Skip("a guard around a remote that has no Sweep")
	}
	if err != nil || n != objects+len(nested) || len(listed) != n {
		s.Errorf("Sweep = %v after %d files, List gives %d, want %d", err, n, len(listed), objects+len(nested))
	}
	own := errors.New("enough")
	if err := sweeper.Sweep(s.ctx, func(string, []remote.Info) error { return own }); err != own {
		s.Errorf("Sweep = %v, want the error of its function as it is", err)
	}
}
