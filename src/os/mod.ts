export { type GcmEncryptor, gcmEncryptor } from './aes-gcm.ts';
export { type DirectoryListing, DirectoryReader } from './dir.ts';
export {
  dup,
  fchmod,
  fchown,
  fsync,
  ftruncate,
  futimens,
  punchHole,
  read,
  seekData,
  seekHole,
  setDirect,
  write,
} from './fd.ts';
export { getInodeFlags, InodeFlag, RESTORABLE_FLAGS, setInodeFlags } from './flags.ts';
export { geteuid, hostName } from './identity.ts';
export { AT_FDCWD } from './libc.ts';
export {
  type DeviceNumber,
  fchmodAt,
  fchownAt,
  linkAt,
  mkdirAt,
  mknodAt,
  readlinkAt,
  renameAt,
  symlinkAt,
  unlinkAt,
  utimensAt,
} from './link.ts';
export { boundMalloc } from './malloc.ts';
export { writablyMappedInodes } from './mappings.ts';
export { allocateAligned, DIRECT_BLOCK_BYTES, isAligned } from './memory.ts';
export { PATH_BYTES_MAX } from './native-path.ts';
export {
  close,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  open,
  openDirectory,
  openDirectoryPath,
  openFile,
  reachPath,
} from './open.ts';
export {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  StatBuffer,
} from './stat.ts';
export { Errno, errnoName, SystemError } from './system-error.ts';
export {
  removeXattr,
  removeXattrAt,
  setXattr,
  setXattrAt,
  type Xattr,
  xattrsAt,
  xattrsOfFd,
  xattrsOfPath,
} from './xattr.ts';
export { type ZstdCompressor, ZstdParameter, zstdCompressor } from './zstd.ts';
