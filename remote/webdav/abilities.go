package webdav

import (
	"fmt"
	"time"

	"sstatefs/remote"
)

// paired tells whether a new object goes by a PUT and a MOVE at once. The MOVE
// is sent whatever becomes of the PUT, so that must leave nothing to move when
// it fails, in a full disk perhaps.
func (k known) paired() bool { return k.pairs && k.exclusive && k.spares }

// direct tells whether a new object may go by one conditional PUT.
func (k known) direct() bool { return k.whole && k.conditional }

func (k known) touchWay() remote.TouchWay {
	switch k.touch {
	case touchProperty, touchCopy, touchLater:
		return remote.TouchOnServer
	case touchPut:
		return remote.TouchByPut
	}
	return remote.TouchNever
}

// clockLimit is how far a server's clock may be off before that is worth a
// word: ages are counted by it.
const clockLimit = 5 * time.Minute

// Abilities see remote.Describer.
func (d *DAV) Abilities() []remote.Ability {
	return append(d.serverAbilities(), d.o.Access.Abilities()...)
}

func (d *DAV) serverAbilities() []remote.Ability {
	k := d.knows()
	if !d.looked.Load() && d.before == "" {
		return []remote.Ability{{Name: "server", Value: "unknown: it has not answered yet"}}
	}
	if k.mirror {
		return []remote.Ability{
			{Name: "server", Value: "plain http without WebDAV"},
			{Name: "list", Value: "none: names are asked for one by one"},
			{Name: "rights", Value: "read-only"},
			d.clockAbility(),
		}
	}
	return []remote.Ability{
		{Name: "server", Value: "WebDAV"},
		d.rightsAbility(), k.createAbility(), k.touchAbility(), k.listAbility(), d.loginAbility(), d.clockAbility(),
	}
}

func (d *DAV) rightsAbility() remote.Ability {
	a := remote.Ability{Name: "rights", Value: "read and write"}
	switch why := d.denied.Load(); {
	case d.o.ReadOnly:
		a.Value = "read-only, as asked"
	case why != nil:
		a.Value = "read-only"
		a.Warn = "the server takes no changes (" + *why + "): give this user the right to write, or use --read-only"
	}
	return a
}

func (k known) createAbility() remote.Ability {
	a := remote.Ability{Name: "create"}
	switch {
	case !k.asked:
		a.Value = "unknown"
	case k.paired():
		a.Value = "a temporary and MOVE, in one round trip"
	case k.direct():
		a.Value = fmt.Sprintf("one conditional PUT up to %d MiB, else a temporary and MOVE", directLimit>>20)
	case k.exclusive:
		a.Value = "a temporary and MOVE"
	default:
		a.Value = "a look, a temporary and MOVE"
		a.Warn = "the server lets a MOVE replace what it must not: of two hosts that publish one object at once the last wins"
	}
	return a
}

func (k known) touchAbility() remote.Ability {
	a := remote.Ability{Name: "touch"}
	switch k.touch {
	case touchProperty:
		a.Value = "sets the time"
	case touchLater:
		a.Value = "found out by the first touch"
	case touchCopy:
		a.Value = "copies and moves back on the server"
	case touchPut:
		a.Value = "sends the object again"
		a.Warn = "a use is recorded by sending the object once more, where it is in the local cache"
	default:
		a.Value = "none"
		a.Warn = "uses cannot be recorded: clean by age would remove what is in use"
	}
	if !k.asked {
		a.Value, a.Warn = "unknown", ""
	}
	return a
}

func (k known) listAbility() remote.Ability {
	if k.deep {
		return remote.Ability{Name: "list", Value: "whole trees (Depth: infinity)"}
	}
	if k.folderTimes {
		return remote.Ability{Name: "list", Value: "a request for every folder that changed"}
	}
	return remote.Ability{Name: "list", Value: "a request for every folder"}
}

func (d *DAV) loginAbility() remote.Ability {
	a := remote.Ability{Name: "login", Value: "none"}
	if d.client.authority != nil {
		a.Value = d.client.authority.says()
		if d.client.place.Load().url.Scheme == "http" {
			a.Warn = "the connection is not encrypted: others in the network may read the password (use https)"
		}
	}
	return a
}

func (d *DAV) clockAbility() remote.Ability {
	a := remote.Ability{Name: "clock", Value: d.client.clock.String()}
	if ahead, _ := d.Offset(); ahead.Abs() > clockLimit {
		a.Warn = "the server's clock differs from this host's: set both by NTP"
	}
	return a
}
