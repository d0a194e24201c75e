package servers

// A Kind is a server in one configuration.
type Kind string

const (
	Versitygw    Kind = "versitygw"     // S3 over plain files
	MinIO        Kind = "minio"         // S3, format of its own
	RcloneS3     Kind = "rclone-s3"     // S3 over plain files, no conditional requests
	Apache       Kind = "apache"        // mod_dav_fs; Depth: infinity is refused, as by default
	ApacheDeep   Kind = "apache-deep"   // mod_dav_fs with DavDepthInfinity on
	Nginx        Kind = "nginx"         // dav and dav-ext
	RcloneWebDAV Kind = "rclone-webdav" // shows files while they are written
	Mirror       Kind = "mirror"        // GET, HEAD and ranges; a page of links for a folder
)

// S3 lists the object stores.
func S3() []Kind { return []Kind{Versitygw, MinIO, RcloneS3} }

// WebDAV lists the servers that speak WebDAV.
func WebDAV() []Kind { return []Kind{Apache, ApacheDeep, Nginx, RcloneWebDAV} }

// IsS3 tells an object store from the others.
func (k Kind) IsS3() bool { return k == Versitygw || k == MinIO || k == RcloneS3 }

// A recipe says how a kind of server is run.
type recipe struct {
	program string
	workers bool // it has processes that only itself can end
	// prepare writes the configuration below s.dir and returns the arguments
	// and what the environment needs beside the usual.
	prepare func(s *Server) (args, env []string, err error)
}

func recipeOf(kind Kind) (recipe, bool) {
	all := map[Kind]recipe{
		Versitygw:    {"versitygw", false, versitygw},
		MinIO:        {"minio", false, minio},
		RcloneS3:     {"rclone", false, rcloneS3},
		RcloneWebDAV: {"rclone", false, rcloneWebDAV},
		Apache:       {"apache2", true, apache},
		ApacheDeep:   {"apache2", true, apache},
		Nginx:        {"nginx", true, nginx},
		Mirror:       {"nginx", true, nginx},
	}
	r, ok := all[kind]
	return r, ok
}
