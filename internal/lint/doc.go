// Package lint holds no code, only tests that keep the repository's rules:
//
//   - imports point down: layers_test.go has the table of packages, and who may
//     import what, inside the module and outside it;
//   - every exported identifier and every package has a doc comment;
//   - no file grows past 600 lines;
//   - no file names a path of the machine it was written on.
//
// A rule that stands in the way of something better is changed here, in the
// table, together with the change that needs it. Each rule is itself tested on
// small sources in memory, so that it cannot pass by not looking.
package lint
