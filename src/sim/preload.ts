/**
 * What the program loads when it first needs it. A module that comes from the disk in the middle of a run would come some steps later
 * than one that is there: each is loaded before the first run.
 */
import '../daemon/api/exec.ts';
import '../daemon/api/files.ts';
import '../daemon/api/images.ts';
import '../daemon/api/packages.ts';
import '../daemon/api/snapshots.ts';
import '../daemon/api/store-hosts.ts';
import '../daemon/api/system.ts';
import '../daemon/api/teleports.ts';
import '../daemon/api/vms.ts';
