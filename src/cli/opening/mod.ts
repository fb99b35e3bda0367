export { argumentBytes } from './arguments.ts';
export { askNewPassword, passphrase, readCredentials, readOrMakeKeyFile } from './credentials.ts';
export { defaultLabel } from './label.ts';
export { absoluteFrom } from './own-paths.ts';
export { type EmbeddedPlace, embeddedPlace } from './places.ts';
export { type Opened, Run } from './run.ts';
export {
  type GlobalFlags,
  type Settings,
  type SourceFlags,
  settingsOf,
  sourceSettingsOf,
} from './settings.ts';
