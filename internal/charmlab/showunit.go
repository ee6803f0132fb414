package charmlab

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) showUnitCommand() *cobra.Command {
	var endpoint, related string
	var appOnly bool
	cmd := &cobra.Command{
		Use:   "show-unit <unit>...",
		Short: "Show units with their relation data",
		Args:  arguments(1, -1, "an unit name must be supplied"),
	}
	out := addFormat(cmd, "yaml", "json")
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "only relations of this endpoint")
	cmd.Flags().StringVar(&related, "related-unit", "", "only relations with this unit")
	cmd.Flags().BoolVar(&appOnly, "app", false, "only the applications' data")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		if appOnly && related != "" {
			return usageError{errors.New("--app and --related-unit exclude each other")}
		}
		for _, unit := range args {
			if _, _, err := juju.ParseUnit(unit); err != nil {
				return usageError{fmt.Errorf("unit name %q not valid", unit)}
			}
		}
		cl, err := c.lab(cmd.Context())
		if err != nil {
			return err
		}
		units := map[string]api.UnitDetail{}
		for _, unit := range args {
			detail, err := ask[api.UnitDetail](cmd.Context(), cl, "show-unit", api.Unit{Unit: unit})
			if err != nil {
				return err
			}
			kept := []api.RelationInfo{}
			for _, r := range detail.RelationInfo {
				if endpoint != "" && r.Endpoint != endpoint {
					continue
				}
				if related != "" {
					only, ok := r.RelatedUnits[related]
					if !ok {
						continue
					}
					r.RelatedUnits = map[string]api.RelationUnit{related: only}
				}
				if appOnly {
					r.LocalUnit, r.RelatedUnits = nil, nil
				}
				kept = append(kept, r)
			}
			detail.RelationInfo = kept
			units[unit] = detail
		}
		return out.write(c, units, nil)
	}
	return cmd
}
