//go:build !linux

package script

// limitProcess does nothing: the engine's own limits have to do.
func limitProcess() {}
