package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const nginxConfig = `
%[1]s
daemon off;
worker_processes 2;
pid %[2]s/work/pid;
error_log %[2]s/error.log;
events { worker_connections 512; }
http {
	access_log off;
	client_max_body_size 0;
	sendfile on;
	client_body_temp_path %[2]s/work/body;
	proxy_temp_path %[2]s/work/proxy;
	fastcgi_temp_path %[2]s/work/fastcgi;
	uwsgi_temp_path %[2]s/work/uwsgi;
	scgi_temp_path %[2]s/work/scgi;
	%[3]s
}
`

const nginxDAV = `
	dav_ext_lock_zone zone=locks:10m;
	server {
		listen 127.0.0.1:%[1]d;
		root %[2]s;
		location /%[3]s {
			dav_methods PUT DELETE MKCOL COPY MOVE;
			dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;
			dav_ext_lock zone=locks;
			create_full_put_path on;
			dav_access user:rw group:rw all:r;
			min_delete_depth 0;
			autoindex on;
			%[4]s
		}
	}`

// nginxMirror answers GET and HEAD, and 405 to everything else.
const nginxMirror = `
	server {
		listen 127.0.0.1:%[1]d;
		location /%[3]s/ {
			alias %[2]s/;
			autoindex on;
			%[4]s
		}
	}`

// nginx runs in the foreground, with DAV or as a mirror.
func nginx(s *Server) (args, env []string, err error) {
	head, server, root := "", nginxMirror, s.Data
	if s.Kind == Nginx {
		head, server, root = "load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;\n", nginxDAV, s.top()
	}
	if s.user() != os.Getuid() {
		head += "user www-data;\n"
	}
	server = fmt.Sprintf(server, s.Port, root, bucket, strings.Join(s.options.flags, "\n"))
	file := filepath.Join(s.dir, "nginx.conf")
	args = []string{"-c", file, "-p", s.dir, "-e", filepath.Join(s.dir, "error.log")}
	return args, nil, os.WriteFile(file, fmt.Appendf(nil, nginxConfig, head, s.dir, server), 0o644)
}
