// After Effects: a clip with a matte of vos as its track matte.
//
// File > Scripts > Run Script File..., then choose the clip and one matte:
// a movie of `--to luma`, or the first PNG of `--to png-matte`.

function importFile(file) {
    var options = new ImportOptions(file);
    // A name that ends in digits is one still of a sequence.
    options.sequence = /\d+\.png$/i.test(file.name);
    return app.project.importFile(options);
}

function addMatte(clip, matte) {
    var rate = clip.frameRate || 24;
    if (/\.png$/i.test(matte.file.name)) {
        matte.mainSource.conformFrameRate = rate; // PNGs say none
    }
    var name = matte.name.replace(/[.\[{].*$/, "");
    var comp = app.project.items.addComp(
        name, clip.width, clip.height, clip.pixelAspect, clip.duration, rate
    );
    var lower = comp.layers.add(clip);
    var upper = comp.layers.add(matte); // is put above
    upper.name = name;
    if (lower.setTrackMatte !== undefined) { // After Effects 23
        lower.setTrackMatte(upper, TrackMatteType.LUMA);
    } else {
        lower.trackMatteType = TrackMatteType.LUMA;
    }
    upper.enabled = false;
    comp.openInViewer();
    return comp;
}

function importVos() {
    var clipFile = File.openDialog("The clip");
    var matteFile = clipFile && File.openDialog("Its matte: a movie, or the first PNG");
    if (!matteFile) {
        return null;
    }
    app.beginUndoGroup("Import a matte of vos");
    try {
        return addMatte(importFile(clipFile), importFile(matteFile));
    } finally {
        app.endUndoGroup();
    }
}

importVos();
