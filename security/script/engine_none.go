//go:build !((darwin && !ios && (amd64 || arm64)) || (freebsd && (amd64 || arm64)) || (linux && !android && (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x)) || (windows && (amd64 || arm64)))

package script

// Supported reports whether there is an engine, and processes to run it in, for this platform.
const Supported = false
