// Package mysqltest provides tests with a real server that speaks the MySQL
// protocol.
//
// Most tests need only a database of their own, which [Database] returns:
//
//	func TestMain(m *testing.M) { os.Exit(mysqltest.Main(m).Run()) }
//
//	func TestClaim(t *testing.T) {
//		url := mysqltest.Database(t) // mysql://user:password@host:port/database
//		…
//	}
//
// A test that kills its server, or changes its settings, uses a private one from
// [Start].
//
// # Where the server comes from
//
// [Database] uses the server that TEST_MYSQL_URL names, if it is set. Its user
// must be allowed to create and drop databases named paymentd_test_*. Without
// it, and for every [Start], a private instance is run, from the first of these
// that exists:
//
//  1. the container image that TEST_MYSQL_IMAGE names, for a given version;
//  2. mysqld or mariadbd, installed on the machine (it need not be running);
//  3. the image mysql:8.4, if an engine has it.
//
// If none of them exists, the error says how to get one. Tests are never skipped
// for lack of a server, because that would look like success.
//
// # Cleanup
//
// A private instance has its own port and its own folder, so that any number of
// runs work at the same time. The server and its folder are removed when the
// process that started it ends: at Stop, at Ctrl-C, after a panic, and at kill -9.
package mysqltest
