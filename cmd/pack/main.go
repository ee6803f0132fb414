// Command pack builds the charms of this repository and writes
// <charm>_<arch>.charm files, what charmcraft pack does for a charm that is
// one static binary.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/pack"
	"github.com/pulsar-charms/pulsar-charms/metadata"
)

func main() {
	output := flag.String("output", "build", "directory for the .charm files")
	arches := flag.String("arch", runtime.GOARCH, "comma-separated architectures: amd64, arm64")
	version := flag.String("version", "", "text of the file \"version\" in each charm")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *output, strings.Split(*arches, ","), *version); err != nil {
		fmt.Fprintf(os.Stderr, "ERROR %v\n", err)
		os.Exit(1)
	}
}

// extra are binaries beside dispatch: the file in the charm by main package.
var extra = map[string]map[string]string{
	"pulsar-client-dummy": {"client": "./cmd/dummy-client"},
}

func run(ctx context.Context, output string, arches []string, version string) error {
	if err := os.MkdirAll(output, 0o755); err != nil {
		return err
	}
	for _, arch := range arches {
		for _, name := range metadata.Charms() {
			started := time.Now()
			packages := map[string]string{"dispatch": "./cmd/" + name}
			for file, pkg := range extra[name] {
				packages[file] = pkg
			}
			binaries := map[string]string{}
			for file, pkg := range packages {
				binaries[file] = filepath.Join(output, "bin", arch, name, file)
				if err := pack.Build(ctx, ".", pkg, arch, binaries[file]); err != nil {
					return err
				}
			}
			files, err := metadata.FS(name)
			if err != nil {
				return err
			}
			file := filepath.Join(output, name+"_"+arch+".charm")
			if err := pack.Write(file, pack.Charm{Files: files, Arch: arch, Version: version, Binaries: binaries}); err != nil {
				return err
			}
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			fmt.Printf("packed %s (%.1f MB, %.1f s)\n", file, float64(info.Size())/1e6, time.Since(started).Seconds())
		}
	}
	return nil
}
