package config

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"paymentd/app/gateways"
	"paymentd/core/payment"
	"paymentd/internal/filewatch"
)

const (
	maxGateways   = 32
	maxRoutes     = 100
	maxCurrencies = 200 // of a route
	maxMethods    = 100 // patterns of a gateway
	maxMoved      = 100 // addresses of a gateway
)

// gatewaysFile parses a gateways file.
type gatewaysFile struct {
	yamlFile

	cfg *Config
	set gateways.Set
}

// readGatewaysFile returns the gateways and routes of a file. The error names the line and what to change.
func (c *Config) readGatewaysFile() (gateways.Set, error) {
	f := &gatewaysFile{yamlFile: yamlFile{c.GatewaysFile}, cfg: c}
	content, err := filewatch.Read(c.GatewaysFile)
	if err != nil {
		return gateways.Set{}, fmt.Errorf("must be a file that can be read: %w", err)
	}
	root, err := f.parse(content)
	if err != nil {
		return gateways.Set{}, err
	}
	fields, err := f.fields(root, "the file")
	if err != nil {
		return gateways.Set{}, err
	}
	var list, routes *yaml.Node
	for _, field := range fields {
		switch field.name {
		case "gateways":
			list = field.value
		case "routes":
			routes = field.value
		default:
			return gateways.Set{}, f.errorAt(field.key, "the file %v", errUnknownField(field.name, []string{"gateways", "routes"}))
		}
	}
	if list == nil {
		return gateways.Set{}, f.errorAt(root, "the file must have the list gateways")
	}
	if err := f.readGateways(list); err != nil {
		return gateways.Set{}, err
	}
	return f.set, f.readRoutes(root, routes)
}

func (f *gatewaysFile) readGateways(n *yaml.Node) error {
	list, err := f.list(n, "gateways", maxGateways)
	if err != nil {
		return err
	}
	for _, element := range list {
		s, err := f.readGateway(element)
		if err != nil {
			return err
		}
		if err := f.checkBesideOthers(element, s); err != nil {
			return err
		}
		f.set.Gateways = append(f.set.Gateways, s)
	}
	return nil
}

func (f *gatewaysFile) readGateway(n *yaml.Node) (gateways.Settings, error) {
	fields, err := f.fields(n, "a gateway")
	if err != nil {
		return gateways.Settings{}, err
	}
	s, err := f.begin(n, fields)
	if err != nil {
		return s, err
	}
	what := "gateway " + s.Name
	for _, field := range fields {
		if err := f.setField(&s, field); err != nil {
			return s, err
		}
	}
	for _, field := range s.Kind.Fields {
		if field.Required && !slices.ContainsFunc(fields, func(given yamlField) bool { return given.name == field.Name }) {
			return s, f.errorAt(n, "%s must have the field %s: %s", what, field.Name, field.Allowed)
		}
	}
	if (s.Options.ClientCertificate == "") != (s.Options.ClientKey == "") {
		return s, f.errorAt(n, "%s must have both client_certificate_file and client_key_file, or neither", what)
	}
	if err := s.Options.CheckClientCertificate(); err != nil {
		return s, f.errorAt(n, "client_certificate_file of %s %v", what, err)
	}
	if err := f.cfg.checkKeyLifetime(s.Options.KeyLifetime, s.Options.Timeout, "timeout"); err != nil {
		return s, f.errorAt(n, "%s: key_lifetime %v", what, err)
	}
	if f.cfg.Lease <= s.Options.Timeout {
		return s, f.errorAt(n, "%s: timeout must be shorter than PAYMENTD_LEASE, %v, and is %v", what, f.cfg.Lease, s.Options.Timeout)
	}
	return s, nil
}

// begin returns the settings of the gateway with the name and the kind among the fields, and the defaults of
// the others.
func (f *gatewaysFile) begin(n *yaml.Node, fields []yamlField) (gateways.Settings, error) {
	var name, kindName string
	for _, field := range fields {
		target := map[string]*string{"name": &name, "kind": &kindName}[field.name]
		if target == nil {
			continue
		}
		text, err := f.text(field.value, field.name)
		if err != nil {
			return gateways.Settings{}, err
		}
		*target = text
	}
	if !gateways.IsName(name) {
		return gateways.Settings{}, f.errorAt(n, "a gateway must have a name of 1 to %d characters of a-z, 0-9 and -", gateways.MaxNameBytes)
	}
	kind, known := gateways.FindName(kindName)
	if !known {
		return gateways.Settings{}, f.errorAt(n, "gateway %s must have a kind: %s", name, gateways.Names())
	}
	s := f.cfg.gatewayDefaults(kind)
	s.Name, s.Line, s.Options.ID = name, n.Line, payment.GatewayID(name)
	return s, nil
}

func (f *gatewaysFile) setField(s *gateways.Settings, field yamlField) error {
	if field.name == "name" || field.name == "kind" {
		return nil
	}
	what := field.name + " of gateway " + s.Name
	for _, common := range commonFields {
		if common.Name != field.name {
			continue
		}
		texts, err := f.texts(field.value, what, max(1, common.many))
		if err != nil {
			return err
		}
		return f.problem(field, what, common.set(s, texts))
	}
	for _, own := range s.Kind.Fields {
		if own.Name == field.name {
			return f.setOwn(s, own, field, what)
		}
	}
	known := []string{"name", "kind"}
	for _, common := range commonFields {
		known = append(known, common.Name)
	}
	known = append(known, names(s.Kind.Fields)...)
	return f.errorAt(field.key, "gateway %s of kind %s %v", s.Name, s.Kind.Name, errUnknownField(field.name, known))
}

// setOwn sets a field of the gateway's kind.
func (f *gatewaysFile) setOwn(s *gateways.Settings, own gateways.Field, field yamlField, what string) error {
	if own.SetList != nil {
		var texts []string
		if field.value.Kind != yaml.SequenceNode || len(field.value.Content) > 0 {
			var err error
			if texts, err = f.texts(field.value, what, own.MaxList); err != nil {
				return err
			}
		}
		return f.problem(field, what, own.SetList(&s.Options, texts))
	}
	if own.SetEntry == nil {
		text, err := f.text(field.value, what)
		if err != nil {
			return err
		}
		return f.problem(field, what, own.Set(&s.Options, text))
	}
	entries, err := f.fields(field.value, what)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		text, err := f.text(entry.value, what)
		if err != nil {
			return err
		}
		if err := own.SetEntry(&s.Options, entry.name, text); err != nil {
			return f.errorAt(entry.key, "%s: %v", what, err)
		}
	}
	return nil
}

func (f *gatewaysFile) problem(field yamlField, what string, err error) error {
	if err == nil {
		return nil
	}
	return f.errorAt(field.value, "%s %v", what, err)
}

// checkBesideOthers checks a gateway against those before it.
func (f *gatewaysFile) checkBesideOthers(n *yaml.Node, s gateways.Settings) error {
	if err := f.cfg.checkLedger(s); err != nil {
		return f.errorAt(n, "ledger of gateway %s %v", s.Name, err)
	}
	for _, other := range f.set.Gateways {
		switch {
		case other.Name == s.Name:
			return f.errorAt(n, "the name %s is used twice; each gateway must have a name of its own", s.Name)
		case other.Options.ID == s.Options.ID:
			return f.errorAt(n, "the id %s is used twice; each gateway must have an id of its own", s.Options.ID)
		case other.Kind.MovesMoney != s.Kind.MovesMoney:
			return f.errorAt(n, "gateway %s must not be in one file with gateway %s: one of them moves no money, and a payment that "+
				"went over it would succeed without money", s.Name, other.Name)
		case s.Kind.File != nil && other.Kind.File != nil && isSamePath(s.Kind.File(s.Options.Address), other.Kind.File(other.Options.Address)):
			return f.errorAt(n, "gateway %s must have another ledger than gateway %s", s.Name, other.Name)
		}
	}
	return nil
}

func names(fields []gateways.Field) (all []string) {
	for _, f := range fields {
		all = append(all, f.Name)
	}
	return all
}
