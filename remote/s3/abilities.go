package s3

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sstatefs/remote"
)

// clockWarn is the difference of clocks beyond which it is worth a warning.
// Signatures fail at 15 min.
const clockWarn = 5 * time.Minute

// Abilities see remote.Describer.
func (b *Bucket) Abilities() []remote.Ability {
	list := []remote.Ability{b.rights(), b.listing()}
	if f := b.facts.Load(); f != nil {
		list = append(list, f.abilities()...)
	} else {
		list = append(list, remote.Ability{Name: "create", Value: "not known yet"}, remote.Ability{Name: "touch", Value: "not known yet"})
	}
	list = append(list, b.versioning(), b.clockAbility())
	return append(list, b.o.Access.Abilities()...)
}

func (b *Bucket) rights() remote.Ability {
	t := b.Traits()
	a := remote.Ability{Name: "rights", Value: "read and write"}
	switch {
	case b.o.ReadOnly:
		a.Value = "read, as asked for"
	case t.ReadOnly:
		a.Value = "read"
		a.Warn = "the server refuses to store objects: nothing is published; grant s3:PutObject and s3:DeleteObject"
	}
	return a
}

func (b *Bucket) listing() remote.Ability {
	a := remote.Ability{Name: "list", Value: "in pages, prefixes in parallel"}
	switch {
	case b.absent403.Load():
		a.Value = "not allowed"
		a.Warn = "a missing object looks like one without access, and every lookup is a request: grant s3:ListBucket"
	case b.Traits().NoList:
		a.Value = "not allowed"
		a.Warn = "every lookup is a request: grant s3:ListBucket"
	}
	return a
}

func (f *facts) abilities() []remote.Ability {
	create := remote.Ability{Name: "create", Value: "atomic"}
	if !f.create {
		create.Value = "looked for first"
		create.Warn = "the server has no If-None-Match: of two hosts that publish the same object at once the last wins"
	}
	parts := remote.Ability{Name: "multipart", Value: "atomic"}
	if !f.complete {
		parts.Value = "looked for first"
	}
	return []remote.Ability{create, parts, f.touch(), f.checksums(), f.deletes()}
}

func (f *facts) touch() remote.Ability {
	a := remote.Ability{Name: "touch"}
	switch f.copies {
	case copyLater:
		a.Value = "by a copy on the server (how: found out by the first touch)"
	case copySelf:
		a.Value = "by a copy onto itself"
	case copyThere:
		a.Value = "by a copy to a temporary and back"
	case copyNone:
		a.Value = "by a new upload"
		a.Warn = "the server moves no times by copying: every touch sends the object again"
	}
	return a
}

func (f *facts) checksums() remote.Ability {
	if f.sums {
		return remote.Ability{Name: "checksum", Value: "sha256, verified and kept"}
	}
	if f.md5 {
		return remote.Ability{Name: "checksum", Value: "md5 of objects that came with one request"}
	}
	return remote.Ability{Name: "checksum", Value: "length and signature only"}
}

func (f *facts) deletes() remote.Ability {
	if f.removes {
		return remote.Ability{Name: "delete", Value: "allowed"}
	}
	return remote.Ability{Name: "delete", Value: "not allowed",
		Warn: "nothing can be removed, and names " + remoteTemporaries + " stay behind: grant s3:DeleteObject"}
}

// remoteTemporaries is the shape of temporary names, for people.
const remoteTemporaries = ".sstatefs-*"

func (b *Bucket) versioning() remote.Ability {
	a := remote.Ability{Name: "versioning", Value: "not known"}
	status := b.versions.Load()
	if status == nil {
		return a
	}
	switch *status {
	case types.BucketVersioningStatusEnabled:
		a.Value = "on"
		a.Warn = "every touch, replacement and removal keeps a version: set a lifecycle rule for noncurrent versions"
	case types.BucketVersioningStatusSuspended:
		a.Value = "suspended"
	default:
		a.Value = "off"
	}
	return a
}

func (b *Bucket) clockAbility() remote.Ability {
	a := remote.Ability{Name: "clock", Value: b.clock.String()}
	if ahead, _ := b.clock.Offset(); ahead.Abs() > clockWarn {
		a.Warn = "signatures fail when clocks differ by 15 minutes: set the one that is wrong"
	}
	return a
}
