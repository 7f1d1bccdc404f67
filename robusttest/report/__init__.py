"""From results to text: `build` makes one `Report`, renderers turn it into text and compute nothing.

::

    from robusttest.report.build import build
    from robusttest.report import files, terminal

    report = build(run, results)
    lines = terminal.render(report, width=80)
    files.write(report, ReportTarget("json", "robust.json"))
"""
