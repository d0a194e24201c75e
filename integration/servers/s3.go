package servers

import (
	"fmt"
	"path/filepath"
)

func (s *Server) listen() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

func (s *Server) top() string { return filepath.Join(s.dir, "data") }

// versitygw takes the folders of its top folder for buckets. Without
// --keep-alive every request opens a connection.
func versitygw(s *Server) (args, env []string, err error) {
	args = append([]string{"--port", s.listen(), "--keep-alive", "--quiet", "--region", region}, s.options.flags...)
	return append(args, "posix", s.top()),
		[]string{"ROOT_ACCESS_KEY_ID=" + accessKey, "ROOT_SECRET_ACCESS_KEY=" + secretKey}, nil
}

// minio takes a folder for a bucket too.
func minio(s *Server) (args, env []string, err error) {
	args = append([]string{"server", s.top(), "--address", s.listen(), "--quiet"}, s.options.flags...)
	return args, []string{
		"MINIO_ROOT_USER=" + accessKey, "MINIO_ROOT_PASSWORD=" + secretKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off",
	}, nil
}

// rcloneFlags: by default rclone does not look at a folder again for five
// minutes, and so not see what tests put there. With 0s a timer of every
// folder it knows fires all the time, and nothing else gets the CPU.
func rcloneFlags() []string { return []string{"--config", "/dev/null", "--dir-cache-time", "100ms"} }

func rcloneS3(s *Server) (args, env []string, err error) {
	args = append([]string{"serve", "s3", s.top(), "--addr", s.listen()}, rcloneFlags()...)
	// RCLONE_AUTH_KEY is a comma separated list, in which the pair is quoted.
	return append(args, s.options.flags...), []string{fmt.Sprintf(`RCLONE_AUTH_KEY="%s,%s"`, accessKey, secretKey)}, nil
}

func rcloneWebDAV(s *Server) (args, env []string, err error) {
	args = append([]string{"serve", "webdav", s.Data, "--baseurl", "/" + bucket, "--addr", s.listen()}, rcloneFlags()...)
	return append(args, s.options.flags...), nil, nil
}
