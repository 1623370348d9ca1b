package mysqltest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // contains no engine
	const mysql, mariadb = "echo 'mysqld  Ver 8.4.3 for Linux'", "echo 'mariadbd  Ver 10.11.9-MariaDB'"

	for _, test := range []struct {
		name          string
		files         map[string]string // scripts
		wantPath      string
		wantInstaller string
		wantError     string
	}{
		{name: "MySQL", files: map[string]string{"mysqld": mysql}, wantPath: "mysqld"},
		{
			name:     "MariaDB",
			files:    map[string]string{"mariadbd": mariadb, "mariadb-install-db": ""},
			wantPath: "mariadbd", wantInstaller: "mariadb-install-db",
		},
		{
			name:     "MariaDB by its old names",
			files:    map[string]string{"mysqld": mariadb, "mysql_install_db": ""},
			wantPath: "mysqld", wantInstaller: "mysql_install_db",
		},
		{
			name:     "both",
			files:    map[string]string{"mysqld": mysql, "mariadbd": mariadb, "mariadb-install-db": ""},
			wantPath: "mysqld",
		},
		{name: "MariaDB in part", files: map[string]string{"mariadbd": mariadb}, wantError: "mariadb-install-db"},
		{name: "broken", files: map[string]string{"mysqld": "exit 3"}, wantError: "exit status 3"},
		{name: "nothing", wantError: "make test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			for name, script := range test.files {
				content := []byte("#!/bin/sh\n" + script + "\n")
				require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o700))
			}
			got, err := findProgram(t.Context(), "", []string{"", folder})
			if test.wantError != "" {
				require.ErrorContains(t, err, test.wantError)
				return
			}
			require.NoError(t, err)
			require.Equal(t, filepath.Join(folder, test.wantPath), got.path)
			if test.wantInstaller == "" {
				require.Empty(t, got.installer)
			} else {
				require.Equal(t, filepath.Join(folder, test.wantInstaller), got.installer)
			}
		})
	}
}
