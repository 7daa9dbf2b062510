// What the course adds to JupyterLab, in plain JavaScript that needs no build.
// JupyterLab does not look whether an open file changed on disk, so an open START.md is loaded again when a lab was
// saved (the server has written the page by then, see grader/jupyter/__init__.py) and when its tab is shown.
const course = {
  id: "deep-generative-models-course:start",
  autoStart: true,
  activate: (app) => {
    const reload = (widget) => {
      if (widget?.context?.path === "START.md" && !widget.context.model.dirty) widget.context.revert();
    };
    app.serviceManager.contents.fileChanged.connect((_, { type, newValue }) => {
      if (type === "save" && newValue?.path?.startsWith("labs/")) [...app.shell.widgets("main")].forEach(reload);
    });
    app.shell.currentChanged?.connect((_, { newValue }) => reload(newValue));
    // In a new workspace; later ones open as they were left.
    app.restored
      .then(() => app.shell.restored)
      .then((layout) => layout?.fresh && app.commands.execute("toc:show-panel"));
  },
};

window._JUPYTERLAB = window._JUPYTERLAB || {};
window._JUPYTERLAB["deep-generative-models-course"] = { // as a container of webpack's module federation
  init: () => {},
  get: async () => () => ({ default: course, __esModule: true }),
};
