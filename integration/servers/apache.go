package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const apacheModules = "/usr/lib/apache2/modules"

// apacheConfig is mod_dav_fs as Debian has it: by default a connection is
// closed after 100 requests, which clients have to live with.
const apacheConfig = `
ServerRoot %[1]s
ServerName localhost
Listen 127.0.0.1:%[2]d
PidFile %[1]s/work/pid
DefaultRuntimeDir %[1]s/work
ErrorLog %[1]s/error.log
LogLevel warn
%[3]s
TypesConfig /dev/null
KeepAlive On
MaxKeepAliveRequests 100
KeepAliveTimeout 5
StartServers 2
ServerLimit 4
ThreadsPerChild 32
MaxRequestWorkers 128
DavLockDB %[1]s/work/locks
DocumentRoot %[1]s/work
Alias /%[4]s %[5]s
<Directory %[5]s>
    Require all granted
    Options Indexes FollowSymLinks
    AllowOverride None
</Directory>
<Location /%[4]s>
    Dav on
    DavDepthInfinity %[6]s
%[7]s
</Location>
`

// apache runs in the foreground.
func apache(s *Server) (args, env []string, err error) {
	depth := "off"
	if s.Kind == ApacheDeep {
		depth = "on"
	}
	config := fmt.Sprintf(apacheConfig, s.dir, s.Port, s.apacheModules(), bucket, s.Data, depth,
		strings.Join(s.options.flags, "\n"))
	file := filepath.Join(s.dir, "apache.conf")
	return []string{"-f", file, "-DFOREGROUND"}, nil, os.WriteFile(file, []byte(config), 0o644)
}

// apacheModules loads what the configuration uses; root's server drops to
// www-data.
func (s *Server) apacheModules() string {
	var text strings.Builder
	for _, name := range []string{
		"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "auth_digest",
		"alias", "mime", "autoindex", "headers", "dav", "dav_fs",
	} {
		fmt.Fprintf(&text, "LoadModule %[2]s_module %[1]s/mod_%[2]s.so\n", apacheModules, name)
	}
	if s.user() != os.Getuid() {
		text.WriteString("User www-data\nGroup www-data\n")
	}
	return text.String()
}
