//go:build !race

package script

// raceDetector says that the engine runs under the race detector, some ten times slower.
const raceDetector = false
