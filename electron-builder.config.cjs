/**
 * How Lathe is packaged: `npm run package` on the system that the package is for. It needs internet, for the Electron runtime and
 * electron-builder itself are fetched then; nothing of it is needed to build, test or run Lathe from its sources.
 *
 * LATHE_E2E_BUILD=1 leaves the one fuse on that a test driver needs (inspection by command line); such a build is not handed out.
 */
const forTests = process.env.LATHE_E2E_BUILD === '1';

/** @type {import('electron-builder').Configuration} */
module.exports = {
  appId: 'org.lathe.Lathe',
  productName: 'Lathe',
  copyright: 'MIT',
  directories: { output: 'dist', buildResources: 'src/renderer' },
  files: [
    'out/**',
    '!out/**/*.map',
    '!out/.*',
    'resources/**',
    'package.json',
    'LICENSE',
    'CHANGELOG.md',
    'native/build/Release/lathe.node',
  ],
  asar: true,
  // Machine code and what is started or opened by its path cannot lie in the archive.
  asarUnpack: ['**/*.node', '**/*.{so,so.*,dylib,dll}', 'out/main/*-worker.js', 'resources/**'],
  npmRebuild: false, // every addon is Node-API: the binary that the tests ran is the one that is shipped
  nodeGypRebuild: false,
  buildDependenciesFromSource: false,
  publish: null, // nothing is uploaded, and the app looks for no update
  electronFuses: {
    runAsNode: false,
    enableNodeOptionsEnvironmentVariable: false,
    enableNodeCliInspectArguments: forTests,
    enableEmbeddedAsarIntegrityValidation: true,
    onlyLoadAppFromAsar: true,
    grantFileProtocolExtraPrivileges: false,
    enableCookieEncryption: true,
    loadBrowserProcessSpecificV8Snapshot: false,
  },
  fileAssociations: [
    { ext: 'onnx', name: 'ONNX network', description: 'A neural network in ONNX form', role: 'Viewer', rank: 'Alternate' },
  ],
  protocols: [{ name: 'Lathe', schemes: ['lathe'] }],
  linux: { target: ['AppImage', 'deb'], category: 'Science', synopsis: 'Hardware-aware neural-network design, offline' },
  mac: { target: ['dmg'], category: 'public.app-category.developer-tools', hardenedRuntime: true },
  win: { target: ['nsis'] },
  nsis: { oneClick: false, perMachine: false, allowToChangeInstallationDirectory: true, deleteAppDataOnUninstall: false },
};
