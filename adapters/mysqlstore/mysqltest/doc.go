// Package mysqltest gives tests a real server that speaks the MySQL protocol.
//
// Most tests need only a database of their own, which [Database] gives them:
//
//	func TestMain(m *testing.M) { os.Exit(mysqltest.Main(m).Run()) }
//
//	func TestClaim(t *testing.T) {
//		url := mysqltest.Database(t) // mysql://user:password@host:port/database
//		…
//	}
//
// A test that kills its server, or fills it to the brim, takes a private one
// from [Start].
//
// # Where the server comes from
//
// [Database] uses the server that TEST_MYSQL_URL names, if it is set; its user
// must be allowed to create and drop databases, which are all called
// paymentd_test_*. Without it, and for every [Start], a private instance is
// run, from the first of these that is there:
//
//  1. the container image that TEST_MYSQL_IMAGE names, for a given version;
//  2. mysqld or mariadbd, installed on the machine (it need not be running);
//  3. the image mysql:8.4, if an engine has it already.
//
// Where there is none of them, the error says how to get one. No test is ever
// skipped for want of a server: that would look like success.
//
// # What is left behind
//
// Nothing. A private instance has its own port and its own folder, so that any
// number of runs work side by side, and both go when the process that started
// it goes: at Stop, at Ctrl-C, in a panic, and at kill -9.
package mysqltest
