// Package relation holds the typed databags of Juju interfaces, one file for
// each, and the checks of what comes in. Whatever a databag holds was written
// by another charm, perhaps of another revision, so it is validated before it
// reaches a configuration file.
package relation
