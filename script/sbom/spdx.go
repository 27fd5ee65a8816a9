package main

// The parts of an SPDX document that we write.
type (
	document struct {
		SPDXVersion   string         `json:"spdxVersion"`
		DataLicense   string         `json:"dataLicense"`
		ID            string         `json:"SPDXID"`
		Name          string         `json:"name"`
		Namespace     string         `json:"documentNamespace"`
		Creation      creation       `json:"creationInfo"`
		Packages      []spdxPackage  `json:"packages"`
		Files         []spdxFile     `json:"files"`
		Relationships []relationship `json:"relationships"`
	}
	creation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID            string      `json:"SPDXID"`
		Name          string      `json:"name"`
		Version       string      `json:"versionInfo"`
		Download      string      `json:"downloadLocation"`
		FilesAnalyzed bool        `json:"filesAnalyzed"`
		License       string      `json:"licenseDeclared"`
		Concluded     string      `json:"licenseConcluded"`
		Copyright     string      `json:"copyrightText"`
		Purpose       string      `json:"primaryPackagePurpose,omitempty"`
		References    []reference `json:"externalRefs"`
	}
	reference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxFile struct {
		Name      string     `json:"fileName"`
		ID        string     `json:"SPDXID"`
		Types     []string   `json:"fileTypes"`
		Checksums []checksum `json:"checksums"`
		Concluded string     `json:"licenseConcluded"`
		Copyright string     `json:"copyrightText"`
	}
	checksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	relationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)
